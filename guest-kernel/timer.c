/* SPDX-License-Identifier: MIT */
#include "kernel_private.h"

void cassin_timer_start(struct cassin_timer *t, uint64_t when)
{
	kernel_lock();
	if (t->link)
		timers_remove(&kernel.timers, t);
	t->when = when;
	timers_add(&kernel.timers, t);
	kernel_unlock();
}

bool cassin_timer_stop(struct cassin_timer *t)
{
	kernel_lock();
	bool running = t->link;
	if (running)
		timers_remove(&kernel.timers, t);
	kernel_unlock();
	return running;
}
