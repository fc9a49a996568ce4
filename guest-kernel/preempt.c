/* SPDX-License-Identifier: MIT */
/*
 * Slices by the timer of the ABI's upcalls. All memory is said to be the upcall stack: so the hypervisor puts the frame
 * on the stack of the thread that it interrupts, which can then be left as it is while others run.
 *
 * The timer is set only while somebody could use it: another thread is ready, waits for an operation, or for a moment.
 */
#include "kernel_private.h"

#define OPEN (~(uint64_t)CASSIN_EVENT_TIMER)
#define CLOSED UINT64_MAX

static struct {
	uint64_t slice;
	uint64_t at; /* the timer is set to this moment, or FOREVER: it is not */
} tick = {.at = CASSIN_FOREVER};

/* When the running thread is to be interrupted. */
static uint64_t wanted(void)
{
	bool soon = kernel.ready.filled || kernel.operations;
	if (!soon && !kernel.timers.first)
		return CASSIN_FOREVER;
	uint64_t over = cassin_after(tick.slice);
	return soon || kernel.timers.first->when < over ? over : kernel.timers.first->when;
}

/* The upcalls' handler, on the stack of the thread that is interrupted. */
static uint64_t interrupted(uint64_t events, struct cassin_upcall_frame *frame)
{
	(void)events;
	(void)frame;
	tick.at = CASSIN_FOREVER;
	if (kernel.locked) {
		kernel.resched = true;
		return CASSIN_NOW;
	}
	kernel_lock();
	cassin_upcall_mask = OPEN; /* for the others */
	kernel_give_way();
	cassin_upcall_mask = CLOSED; /* so that no second frame comes on this stack before the first one is gone */
	kernel.resched = false;
	uint64_t when = wanted();
	kernel.locked--;
	if (when >= tick.at)
		return CASSIN_NOW;
	tick.at = when;
	return when;
}

static int set(uint64_t when)
{
	struct control words = control_save();
	tick.at = when;
	int r = cassin_upcall_set(tick.slice ? interrupted : NULL, (void *)CASSIN_VA_MIN, CASSIN_VA_END - CASSIN_VA_MIN,
				  when);
	control_load(words);
	return r;
}

/* On the way out of the kernel, still locked. */
static void arm(void)
{
	uint64_t when = wanted();
	if (when < tick.at && set(when))
		cassin_panic("the timer for preemption cannot be set");
}

/* Around the wait of an idle guest, which no slice shall end. */
static void idle(bool begins)
{
	cassin_upcall_mask = begins ? CLOSED : OPEN;
	if (!begins && cassin_upcall_pending() & CASSIN_EVENT_TIMER)
		tick.at = CASSIN_FOREVER; /* it is over without an upcall: arm() sets it again */
}

static const struct preemption preemption = {.arm = arm, .idle = idle};

int cassin_preempt(uint64_t slice_ns)
{
	kernel_lock();
	tick.slice = slice_ns;
	cassin_upcall_mask = CLOSED;
	int r = set(CASSIN_FOREVER);
	if (r)
		tick.slice = 0;
	kernel.preemption = tick.slice ? &preemption : NULL;
	if (tick.slice)
		cassin_upcall_mask = OPEN;
	kernel_unlock();
	return r;
}

/* guest-lib's heap calls these when they are linked. */
void cassin_heap_lock(void)
{
	kernel_lock();
}

void cassin_heap_unlock(void)
{
	kernel_unlock();
}
