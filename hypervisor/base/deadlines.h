/* SPDX-License-Identifier: MIT */
/* Deadlines of a worker: a binary heap of intrusive nodes. Pure; owned by one thread. */
#ifndef DEADLINES_H
#define DEADLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deadline {
	uint64_t when;                    /* absolute monotonic ns */
	uint32_t place;                   /* index in the heap plus one; 0: not in it */
	void (*fire)(struct deadline *d); /* it is out of the heap when called */
};

struct deadlines {
	struct deadline **at;
	uint32_t count, capacity;
	uint64_t floor; /* while deadlines fire: the earliest that one may be set for */
};

void deadlines_destroy(struct deadlines *h);
/* Puts d in, due at `when`; d is moved when it is in already. -ENOMEM. */
int deadlines_set(struct deadlines *h, struct deadline *d, uint64_t when);
/* Takes d out; nothing happens when it is not in. */
void deadlines_clear(struct deadlines *h, struct deadline *d);
static inline bool deadline_pending(const struct deadline *d)
{
	return d->place != 0;
}
/* When the first is due; UINT64_MAX when there is none. */
uint64_t deadlines_next(const struct deadlines *h);
/* Fires all that are due at `now`, earliest first; those that they set anew for <= now become due at now + 1, so they
 * wait for the next call. Returns how many. */
unsigned deadlines_run(struct deadlines *h, uint64_t now);

#endif
