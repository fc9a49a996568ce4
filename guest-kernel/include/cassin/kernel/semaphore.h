/* SPDX-License-Identifier: MIT */
/* Counting semaphores. */
#ifndef CASSIN_KERNEL_SEMAPHORE_H
#define CASSIN_KERNEL_SEMAPHORE_H

#include <cassin/kernel/thread.h>

/* {.count = N}: N may pass. */
struct cassin_sem {
	uint32_t count;
	struct cassin_waiters waiters;
};

/* Waits until the count is not 0, and takes one. 0, -CASSIN_ETIMEDOUT. */
int cassin_sem_wait(struct cassin_sem *s, uint64_t deadline);
/* Adds one, or gives it to the first that waits. Never blocks. 0, -CASSIN_EOVERFLOW. */
int cassin_sem_post(struct cassin_sem *s);

#endif
