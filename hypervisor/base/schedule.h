/* SPDX-License-Identifier: MIT */
/*
 * Proportional share: who of a worker's runnable guests goes next. Each has a virtual run time, which grows with its time on
 * the CPU divided by its weight; the one that is furthest behind goes first (as in stride scheduling and CFS). One that has
 * slept comes back a little ahead of those that computed meanwhile, never by more than a slice's worth. Pure: it knows no
 * guest and no clock. Owned by one thread; nothing allocates, so nothing fails.
 */
#ifndef SCHEDULE_H
#define SCHEDULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"

#define SHARE_WEIGHT 100u /* the weight whose virtual run time is real time */
#define SHARE_CREDIT_NS UINT64_C(1000000)
#define CHARGE_MOST_NS UINT64_C(50000000)

/* A guest's part in it. */
struct share {
	uint64_t vruntime;
	uint64_t since;  /* order among equals: first in, first out */
	uint64_t slept;  /* ns, when it is put in as SHARE_WOKEN */
	uint32_t weight; /* 1 to 10000 */
	bool queued;
	struct heap_node node;
};

struct schedule {
	struct heap_node *first;
	uint64_t floor; /* virtual time: of the furthest behind; never goes back */
	uint64_t puts;
	uint32_t count;
};

enum share_why {
	SHARE_NEW, /* begins at the floor */
	SHARE_WOKEN, /* slept: what it was ahead is forgiven by the time slept; at most SHARE_CREDIT_NS behind the floor */
	SHARE_RAN,   /* goes on from where it is */
	SHARE_YIELDS /* goes behind those that are level with it */
};

/* Makes it runnable. It is in no schedule. */
void schedule_put(struct schedule *s, struct share *share, enum share_why why);
/* Takes out the one to run now; NULL: none. The floor follows. */
struct share *schedule_take(struct schedule *s);
/* Takes one out, wherever it is; nothing happens when it is not queued. */
void schedule_remove(struct schedule *s, struct share *share);
/* The share's guest ran for `ns`. A turn ends long before CHARGE_MOST_NS, unless the host itself stands still: that is nobody's debt. */
void share_charge(struct share *share, uint64_t ns);
/* The same for one that has not run meanwhile: what it is owed for having slept is no more than if it were put in now. */
void share_charge_idle(struct share *share, const struct schedule *s, uint64_t ns);
/* An empty schedule that is to run beside others whose least floor is `floor`: no advantage from having been idle. */
void schedule_catch_up(struct schedule *s, uint64_t floor);

/* ---- A cap on CPU time: `quota` ns in each `period` ns ---- */

struct bandwidth {
	uint64_t quota, period; /* quota not 0 */
	uint64_t period_end;    /* monotonic ns */
	uint64_t used;          /* in this period; what exceeds the quota is carried over */
};

/* How much it may run at `now`; 0: not before *until. UINT64_MAX without a cap: b is NULL. */
uint64_t bandwidth_left(struct bandwidth *b, uint64_t now, uint64_t *until);
/* As share_charge(). */
void bandwidth_charge(struct bandwidth *b, uint64_t ns);

#endif
