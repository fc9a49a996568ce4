/* SPDX-License-Identifier: MIT */
/* Timers: functions that are called at a moment. They cost no memory but their own, and no exit each. */
#ifndef CASSIN_KERNEL_TIMER_H
#define CASSIN_KERNEL_TIMER_H

#include <stdbool.h>

#include <cassin/kernel/thread.h>

/* {.fire = FUNCTION}: not running. */
struct cassin_timer {
	/* Called on the stack of whichever thread is about to block or yield. It must not block: it may set events, post
	 * semaphores, send to queues with CASSIN_NOW, start and stop timers. */
	void (*fire)(struct cassin_timer *t);
	uint64_t period; /* ns; 0: once */

	/* the kernel's own */
	uint64_t when, order;
	struct cassin_timer *child, *next, **link; /* link: NULL: not running */
};

/* Starts it, or starts it again: it fires at `when`, then every `period` (late ones are skipped). */
void cassin_timer_start(struct cassin_timer *t, uint64_t when);
/* The timer will not fire. False: it did not run. */
bool cassin_timer_stop(struct cassin_timer *t);

#endif
