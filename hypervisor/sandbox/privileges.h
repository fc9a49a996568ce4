/* SPDX-License-Identifier: MIT */
/* What a process can give up of its rights. */
#ifndef PRIVILEGES_H
#define PRIVILEGES_H

#include <cassin/spec.h>

/* no_new_privs, and no capability but CAP_NET_BIND_SERVICE, if the thread has that. Of the calling thread and those that it
 * makes. */
int privileges_drop(struct cassin_error_text *err);

#endif
