/* SPDX-License-Identifier: MIT */
/* Events, which stay set until they are cleared; and what is done once. */
#ifndef CASSIN_KERNEL_EVENT_H
#define CASSIN_KERNEL_EVENT_H

#include <stdbool.h>

#include <cassin/kernel/thread.h>

/* All zero: not set. */
struct cassin_event {
	bool set;
	struct cassin_waiters waiters;
};

/* Waits until it is set. 0, -CASSIN_ETIMEDOUT. */
int cassin_event_wait(struct cassin_event *e, uint64_t deadline);
/* Sets it and wakes all that wait. Never blocks. */
void cassin_event_set(struct cassin_event *e);
void cassin_event_clear(struct cassin_event *e);

/* All zero: not done. */
struct cassin_once {
	struct cassin_thread *doer;
	struct cassin_event done;
};

/* Calls `what` if nobody has; returns when it has returned, whoever called it. 0, -CASSIN_EDEADLK: from within `what`. */
int cassin_once(struct cassin_once *once, void (*what)(void));

#endif
