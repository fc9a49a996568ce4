/* SPDX-License-Identifier: MIT */
#include "kernel_private.h"

static void hold(struct cassin_thread *t, struct cassin_mutex *m)
{
	m->owner = t;
	m->next_held = t->held;
	t->held = m;
}

static void let_go(struct cassin_thread *t, struct cassin_mutex *m)
{
	struct cassin_mutex **link = &t->held;
	while (*link != m)
		link = &(*link)->next_held;
	*link = m->next_held;
	m->owner = NULL;
}

static int wait_for(struct cassin_mutex *m, uint64_t deadline)
{
	struct cassin_thread *self = kernel.current;
	self->wants = m;
	waiters_insert(&m->waiters, self); /* so that the owner inherits now; kernel_block() puts it there again */
	kernel_reprioritise(m->owner);
	waiters_remove(self);
	int r = kernel_block(&m->waiters, deadline, "a mutex");
	self->wants = NULL;
	if (r && m->owner)
		kernel_reprioritise(m->owner); /* back down, maybe */
	return r;
}

int cassin_mutex_lock(struct cassin_mutex *m, uint64_t deadline)
{
	struct cassin_thread *self = kernel.current;
	int r = 0;
	if (m->owner == self)
		return -CASSIN_EDEADLK;
	kernel_lock();
	if (m->owner)
		r = wait_for(m, deadline);
	else
		hold(self, m);
	kernel_unlock();
	return r;
}

int cassin_mutex_unlock(struct cassin_mutex *m)
{
	struct cassin_thread *self = kernel.current, *next;
	if (m->owner != self)
		return -CASSIN_EPERM;
	kernel_lock();
	let_go(self, m);
	next = m->waiters.first;
	if (next) {
		kernel_wake(next, 0);
		next->wants = NULL;
		hold(next, m);
		kernel_reprioritise(next);
	}
	kernel_reprioritise(self);
	kernel_unlock();
	return 0;
}
