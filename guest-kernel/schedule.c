/* SPDX-License-Identifier: MIT */
/* Which thread runs. Where none can, the one that came last waits on its own stack: idling needs no thread. */
#include "kernel_private.h"

#define POLL_TICKS (UINT64_C(1) << 20) /* of the time-stamp counter: a third of a millisecond or so */
#define CLOCK_DIFFERENCE_NS 100000u    /* the clock page may be so much behind the clock that ends a wait */

static struct cassin_thread main_thread = {
	.state = THREAD_RUNNING,
	.priority = CASSIN_PRIORITY_DEFAULT,
	.base = CASSIN_PRIORITY_DEFAULT,
	.name = "main",
	.all_link = &kernel.all,
};

struct kernel kernel = {
	.current = &main_thread,
	.all = &main_thread,
	.threads = 1,
};

static uint64_t tsc(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static void fire(uint64_t now)
{
	struct cassin_timer *t;
	kernel.firing = true;
	while ((t = kernel.timers.first) && t->when <= now) {
		timers_remove(&kernel.timers, t);
		if (t->period) {
			uint64_t late = (now - t->when) / t->period; /* late * period is at most now - when */
			t->when += late * t->period;
			if (__builtin_add_overflow(t->when, t->period, &t->when))
				t->when = CASSIN_FOREVER - 1;
			timers_add(&kernel.timers, t);
		}
		t->fire(t);
	}
	kernel.firing = false;
}

/* While threads run one after the other, submissions, completions and timers get a look now and then. */
static void poll(void)
{
	if (!kernel.operations && !kernel.timers.first && !kernel.unsent)
		return;
	uint64_t now = tsc();
	if (now - kernel.polled < POLL_TICKS)
		return;
	kernel.polled = now;
	kernel_hand_in();
	if (kernel.timers.first)
		fire(cassin_now());
}

/* No thread can run: one exit hands in everything and waits for a completion or the next timer. */
static void idle(void)
{
	uint64_t deadline = kernel.timers.first ? kernel.timers.first->when : CASSIN_FOREVER;
	if (deadline == CASSIN_FOREVER && !kernel.operations) {
		if (kernel.unsent)
			kernel_hand_in();
		cassin_panic("deadlock: no thread can ever run again");
	}
	if (kernel.preemption)
		kernel.preemption->idle(true);
	bool completed = kernel_wait(deadline);
	if (kernel.preemption)
		kernel.preemption->idle(false);
	kernel.polled = tsc();
	if (!kernel.timers.first)
		return;
	uint64_t now = cassin_now(); /* a call where the host's counter is of no use */
	if (!completed && now < deadline && deadline - now < CLOCK_DIFFERENCE_NS)
		now = deadline;
	fire(now);
}

void kernel_switched(void)
{
	struct cassin_thread *t = kernel.ended;
	if (t) {
		kernel.ended = NULL;
		kernel_thread_free(t);
	}
}

/* Sets the base of `fs`, if the thread has one of its own. */
static void switch_tls(const struct cassin_thread *t)
{
	if (t->tls && t->tls != kernel.tls) {
		struct control words = control_save();
		kernel.tls = t->tls;
		cassin_call(CASSIN_CALL_TLS_SET, (uint64_t)t->tls, 0, 0, 0, 0);
		control_load(words);
	}
}

void kernel_local(const struct cassin_thread *t)
{
	if (cassin_local_switched)
		cassin_local_switched(t->local);
}

void kernel_switch(void)
{
	struct cassin_thread *self = kernel.current, *next;
	if (kernel.firing)
		cassin_panic("a timer's function must not block");
	if (kernel.ready.filled)
		poll();
	while (!(next = ready_take(&kernel.ready)))
		idle();
	next->state = THREAD_RUNNING;
	if (next == self)
		return;
	uint32_t locked = kernel.locked; /* as deep as this thread has it */
	kernel.current = next;
	kernel_context_switch(&self->sp, next->sp);
	kernel.locked = locked;
	kernel_switched();
	kernel_local(self);
	switch_tls(self);
}

static void timed_out(struct cassin_timer *due)
{
	struct cassin_thread *t = (struct cassin_thread *)((char *)due - offsetof(struct cassin_thread, due));
	kernel_wake(t, -CASSIN_ETIMEDOUT);
}

int kernel_block(struct cassin_waiters *list, uint64_t deadline, const char *waits_for)
{
	struct cassin_thread *self = kernel.current;
	if (deadline != CASSIN_FOREVER && (deadline == CASSIN_NOW || deadline <= cassin_now()))
		return -CASSIN_ETIMEDOUT;
	self->state = THREAD_BLOCKED;
	self->waits_for = waits_for;
	if (list)
		waiters_insert(list, self);
	if (deadline != CASSIN_FOREVER) {
		self->due.fire = timed_out;
		self->due.when = deadline;
		timers_add(&kernel.timers, &self->due);
	}
	kernel_switch();
	return self->woken;
}

void kernel_wake(struct cassin_thread *t, int result)
{
	if (t->list)
		waiters_remove(t);
	if (t->due.link)
		timers_remove(&kernel.timers, &t->due);
	t->woken = result;
	t->state = THREAD_READY;
	ready_put(&kernel.ready, t);
}

void kernel_wake_all(struct cassin_waiters *list, int result)
{
	while (list->first)
		kernel_wake(list->first, result);
}

static uint8_t fitting_priority(const struct cassin_thread *t)
{
	uint8_t most = t->base;
	for (const struct cassin_mutex *m = t->held; m; m = m->next_held) {
		if (m->waiters.first && m->waiters.first->priority > most)
			most = m->waiters.first->priority;
	}
	return most;
}

void kernel_reprioritise(struct cassin_thread *t)
{
	while (t) {
		uint8_t priority = fitting_priority(t);
		if (priority == t->priority)
			return;
		struct cassin_waiters *list = t->list;
		bool ready = t->state == THREAD_READY;
		if (ready)
			ready_remove(&kernel.ready, t);
		else if (list)
			waiters_remove(t);
		t->priority = priority;
		if (ready)
			ready_put(&kernel.ready, t);
		else if (list)
			waiters_insert(list, t);
		t = t->wants ? t->wants->owner : NULL;
	}
}

void kernel_give_way(void)
{
	struct cassin_thread *self = kernel.current;
	if (ready_top(&kernel.ready) < self->priority)
		poll();
	if (ready_top(&kernel.ready) < self->priority)
		return;
	self->state = THREAD_READY;
	ready_put(&kernel.ready, self);
	kernel_switch();
}

void cassin_thread_yield(void)
{
	kernel_lock();
	kernel_give_way();
	kernel_unlock();
}

void cassin_thread_preempt(void)
{
	if (kernel.locked) { /* as it is while timers' functions are called */
		kernel.resched = true;
		return;
	}
	cassin_thread_yield();
}

void kernel_leave(void)
{
	do { /* an interrupt may come until it is unlocked */
		kernel_lock();
		if (kernel.resched) {
			kernel.resched = false;
			kernel_give_way();
		}
		if (kernel.preemption)
			kernel.preemption->arm();
		__asm__ volatile("" ::: "memory");
		kernel.locked--;
		__asm__ volatile("" ::: "memory");
	} while (kernel.resched);
}

int cassin_thread_tls_set(void *base)
{
	struct cassin_thread *self = kernel.current;
	if (!base)
		return -CASSIN_EINVAL;
	kernel_lock();
	struct control words = control_save();
	int64_t r = cassin_call(CASSIN_CALL_TLS_SET, (uint64_t)base, 0, 0, 0, 0);
	control_load(words);
	if (!r)
		self->tls = kernel.tls = base;
	kernel_unlock();
	return (int)r;
}
