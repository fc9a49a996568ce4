/* SPDX-License-Identifier: MIT */
/*
 * Timers in the order of their moments: a pairing heap (Fredman, Sedgewick, Sleator, Tarjan: "The pairing heap", 1986),
 * which needs no memory but the timers' own. Pure.
 */
#ifndef TIMERS_H
#define TIMERS_H

#include <cassin/kernel/timer.h>

/* All zero: empty. */
struct timers {
	struct cassin_timer *first; /* due first; of equals, the one added first */
	uint64_t added;
};

/* The timer must not be in a heap; t->when is set. */
void timers_add(struct timers *h, struct cassin_timer *t);
void timers_remove(struct timers *h, struct cassin_timer *t);

#endif
