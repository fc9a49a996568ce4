/* SPDX-License-Identifier: MIT */
/* Descriptors 0 to 2. */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

/* Opens /dev/null for those of the descriptors 0 to 2 that are closed: else the next file to be opened would be taken for one.
 * Standard output takes no bytes then, so that who writes there hears of it, by EBADF. */
void descriptors_standard(void);

#endif
