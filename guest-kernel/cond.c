/* SPDX-License-Identifier: MIT */
#include "kernel_private.h"

int cassin_cond_wait(struct cassin_cond *c, struct cassin_mutex *m, uint64_t deadline)
{
	if (m->owner != kernel.current)
		return -CASSIN_EPERM;
	kernel_lock();
	cassin_mutex_unlock(m);
	int r = kernel_block(&c->waiters, deadline, "a condition");
	cassin_mutex_lock(m, CASSIN_FOREVER);
	kernel_unlock();
	return r;
}

void cassin_cond_signal(struct cassin_cond *c)
{
	kernel_lock();
	if (c->waiters.first)
		kernel_wake(c->waiters.first, 0);
	kernel_unlock();
}

void cassin_cond_broadcast(struct cassin_cond *c)
{
	kernel_lock();
	kernel_wake_all(&c->waiters, 0);
	kernel_unlock();
}
