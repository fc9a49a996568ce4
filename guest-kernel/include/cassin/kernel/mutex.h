/* SPDX-License-Identifier: MIT */
/* Mutexes: checked, handed over in order, and the owner has at least the priority of those who wait. */
#ifndef CASSIN_KERNEL_MUTEX_H
#define CASSIN_KERNEL_MUTEX_H

#include <cassin/kernel/thread.h>

/* All zero: free. */
struct cassin_mutex {
	struct cassin_thread *owner;
	struct cassin_waiters waiters;
	struct cassin_mutex *next_held; /* of its owner */
};

/* 0, -CASSIN_ETIMEDOUT, -CASSIN_EDEADLK: the caller holds it. */
int cassin_mutex_lock(struct cassin_mutex *m, uint64_t deadline);
/* Hands it to the first that waits. 0, -CASSIN_EPERM: the caller does not hold it. */
int cassin_mutex_unlock(struct cassin_mutex *m);

#endif
