/* SPDX-License-Identifier: MIT */
#include "kernel_private.h"

int cassin_sem_wait(struct cassin_sem *s, uint64_t deadline)
{
	int r = 0;
	kernel_lock();
	if (s->count)
		s->count--;
	else
		r = kernel_block(&s->waiters, deadline, "a semaphore"); /* what is posted is handed over */
	kernel_unlock();
	return r;
}

int cassin_sem_post(struct cassin_sem *s)
{
	int r = 0;
	kernel_lock();
	if (s->waiters.first)
		kernel_wake(s->waiters.first, 0);
	else if (s->count == UINT32_MAX)
		r = -CASSIN_EOVERFLOW;
	else
		s->count++;
	kernel_unlock();
	return r;
}
