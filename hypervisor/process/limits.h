/* SPDX-License-Identifier: MIT */
/* Which of the host's limits stops the making of a process: the kernel says EAGAIN for four of them. */
#ifndef PROCESS_LIMITS_H
#define PROCESS_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The host's limits of processes; 0: not known, or none. */
struct process_limits {
	uint64_t user, group, numbers, threads; /* RLIMIT_NPROC, pids.max, kernel.pid_max, kernel.threads-max */
};

/* Those of this process. Reads files of /proc and of control groups: not for a thread that is confined. */
void limits_read(struct process_limits *l);
/* What may have stopped it, in words; as the limits were when they were read; `error` is what maker_make() said. */
void limits_say(const struct process_limits *l, int error, char *text, size_t size);
/* Whether an error is a limit, at which others' processes help. */
bool limits_met(int error);

#endif
