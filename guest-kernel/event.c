/* SPDX-License-Identifier: MIT */
#include "kernel_private.h"

int cassin_event_wait(struct cassin_event *e, uint64_t deadline)
{
	int r = 0;
	kernel_lock();
	if (!e->set)
		r = kernel_block(&e->waiters, deadline, "an event");
	kernel_unlock();
	return r;
}

void cassin_event_set(struct cassin_event *e)
{
	kernel_lock();
	e->set = true;
	kernel_wake_all(&e->waiters, 0);
	kernel_unlock();
}

void cassin_event_clear(struct cassin_event *e)
{
	e->set = false;
}

int cassin_once(struct cassin_once *once, void (*what)(void))
{
	if (once->done.set)
		return 0;
	kernel_lock();
	struct cassin_thread *doer = once->doer;
	if (!doer)
		once->doer = kernel.current;
	kernel_unlock();
	if (doer == kernel.current)
		return -CASSIN_EDEADLK;
	if (doer)
		return cassin_event_wait(&once->done, CASSIN_FOREVER);
	what();
	cassin_event_set(&once->done);
	return 0;
}
