/* SPDX-License-Identifier: MIT */
/* One measurement: load, warm-up, counters before and after. */
#ifndef DENSITY_WINDOW_H
#define DENSITY_WINDOW_H

#include "lab.h"

/* What the system took before its first guest: memory per guest is counted from there. */
struct window_base {
	struct host_memory host;
	double group, group_kernel; /* KiB, NAN: there is no control group */
	struct memory_kinds kinds;
};

int window_base(struct system *s, struct window_base *base);
/* Measures the system as it is. 0; -EINTR, -EIO: what could be measured is noted. */
int window_measure(struct system *s, const struct window_base *base, json_t *into);

#endif
