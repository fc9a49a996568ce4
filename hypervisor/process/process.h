/* SPDX-License-Identifier: MIT */
/* Process cells: guests in traced host processes, without KVM and without rights. */
#ifndef PROCESS_H
#define PROCESS_H

#include <cassin/sandbox.h>

#include "cell/backend.h"

/* Finds out by a probe whether this host can do it. -EPERM, -EAGAIN, -ENOSYS, ... with the cure in *err. */
int process_open(struct backend **out, const struct cassin_sandbox *sandbox, unsigned *done,
		 struct cassin_error_text *err);
extern const char *const process_steps[]; /* of the probe, NULL at the end; *done is how many succeeded */

#endif
