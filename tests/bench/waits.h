/* SPDX-License-Identifier: MIT */
/* How long this process's threads have waited for a CPU: what other programs have taken from a measurement. */
#ifndef BENCH_WAITS_H
#define BENCH_WAITS_H

#include <stdint.h>

#define WAITS_THREADS_MOST 16

struct waits {
	int fds[WAITS_THREADS_MOST]; /* each thread's schedstat */
	unsigned n;
};

/* Opens those of all threads that there are now. */
void waits_open(struct waits *w);
void waits_close(struct waits *w);
/* Nanoseconds, over all of them, since they began. */
uint64_t waits_ns(const struct waits *w);

#endif
