/* SPDX-License-Identifier: MIT */
/* Condition variables. */
#ifndef CASSIN_KERNEL_COND_H
#define CASSIN_KERNEL_COND_H

#include <cassin/kernel/mutex.h>

/* All zero: nobody waits. */
struct cassin_cond {
	struct cassin_waiters waiters;
};

/* Unlocks the mutex, waits for a signal, locks it again: also when the deadline has passed. 0, -CASSIN_ETIMEDOUT,
 * -CASSIN_EPERM: the caller does not hold the mutex. No wake-up without a signal; but another thread may have locked
 * the mutex first, so look at the condition again. */
int cassin_cond_wait(struct cassin_cond *c, struct cassin_mutex *m, uint64_t deadline);
/* Wakes the first that waits; all of them. */
void cassin_cond_signal(struct cassin_cond *c);
void cassin_cond_broadcast(struct cassin_cond *c);

#endif
