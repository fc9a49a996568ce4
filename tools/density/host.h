/* SPDX-License-Identifier: MIT */
/* What the kernel tells about the host: its settings, its memory, its CPUs' time. */
#ifndef DENSITY_HOST_H
#define DENSITY_HOST_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

#include "../common/clocks.h"

/* KiB, of all of the host. */
struct host_memory {
	double available, total, kernel; /* kernel: slab, page tables (KVM's too), stacks, per-CPU data */
};

void host_memory_read(struct host_memory *m);
/* Of all CPUs since boot. */
double host_busy_seconds(void);
/* *guest: of that, inside virtual machines. 0 if there is no such process. */
double process_cpu_seconds(pid_t pid, double *guest);
/* KiB; 0 if it cannot be told. */
double process_pss(pid_t pid);
unsigned process_descriptors(pid_t pid);
/* Everything that is known to move figures about density. A new object. */
json_t *host_settings(void);

#endif
