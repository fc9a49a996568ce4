/* SPDX-License-Identifier: MIT */
/* What each thread has of its own. */
#ifndef LOCAL_H
#define LOCAL_H

/* main's thread has its thread-local variables from here on. Ends the guest if they find no room in the heap. */
void local_begin_main(void);

#endif
