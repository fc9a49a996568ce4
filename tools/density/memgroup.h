/* SPDX-License-Identifier: MIT */
/* A memory control group for a system under test, where the host lets us make one: it counts the memory of the system's
 * processes and the kernel's for them, whatever other programs do meanwhile. */
#ifndef DENSITY_MEMGROUP_H
#define DENSITY_MEMGROUP_H

struct memgroup {
	char path[96]; /* "": there is none */
	char procs[112];
	int version; /* of control groups */
};

void memgroup_make(struct memgroup *g);
/* KiB, NAN if there is no group. `kernel`: the kernel's part of it. */
double memgroup_kib(const struct memgroup *g, double *kernel);
void memgroup_remove(struct memgroup *g);

#endif
