/* SPDX-License-Identifier: MIT */
/* Deadlines of a worker: a heap of intrusive nodes. Pure; owned by one thread; nothing allocates, so nothing fails. */
#ifndef DEADLINES_H
#define DEADLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/heap.h"

#define DEADLINES_AT_ONCE 256u /* that one run fires at most */

struct deadline {
	uint64_t when; /* absolute monotonic ns; it is kept when the deadline is taken out */
	struct heap_node node;
	void (*fire)(struct deadline *d); /* it is out of the heap when called */
};

struct deadlines {
	struct heap_node *first;
	uint32_t count;
	uint64_t floor; /* while deadlines fire: the earliest that one may be set for */
};

/* Puts d in, due at `when`; d is moved when it is in already. */
void deadlines_set(struct deadlines *h, struct deadline *d, uint64_t when);
/* Takes d out; nothing happens when it is not in. */
void deadlines_clear(struct deadlines *h, struct deadline *d);
static inline bool deadline_pending(const struct deadline *d)
{
	return heap_holds(&d->node);
}
/* When the first is due; UINT64_MAX when there is none. */
uint64_t deadlines_next(const struct deadlines *h);
/* Fires those that are due at `now`, earliest first, and DEADLINES_AT_ONCE at most: the others stay due, for the next call. Those
 * that they set again for <= now become due at now + 1, so they wait for the next call too. Returns how many. */
unsigned deadlines_run(struct deadlines *h, uint64_t now);

#endif
