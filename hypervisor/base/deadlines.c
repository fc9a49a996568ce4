/* SPDX-License-Identifier: MIT */
#include "base/deadlines.h"

#include <errno.h>
#include <stdlib.h>

void deadlines_destroy(struct deadlines *h)
{
	free(h->at);
}

static void put(struct deadlines *h, uint32_t i, struct deadline *d)
{
	h->at[i] = d;
	d->place = i + 1;
}

static void sift_up(struct deadlines *h, uint32_t i, struct deadline *d)
{
	for (; i && h->at[(i - 1) / 2]->when > d->when; i = (i - 1) / 2)
		put(h, i, h->at[(i - 1) / 2]);
	put(h, i, d);
}

static void sift_down(struct deadlines *h, uint32_t i, struct deadline *d)
{
	for (;;) {
		uint32_t child = 2 * i + 1;
		if (child >= h->count)
			break;
		if (child + 1 < h->count && h->at[child + 1]->when < h->at[child]->when)
			child++;
		if (h->at[child]->when >= d->when)
			break;
		put(h, i, h->at[child]);
		i = child;
	}
	put(h, i, d);
}

int deadlines_set(struct deadlines *h, struct deadline *d, uint64_t when)
{
	if (d->place)
		deadlines_clear(h, d);
	if (h->count == h->capacity) {
		uint32_t capacity = h->capacity ? 2 * h->capacity : 64;
		struct deadline **at = realloc(h->at, capacity * sizeof *at);
		if (!at)
			return -ENOMEM;
		h->at = at;
		h->capacity = capacity;
	}
	d->when = when > h->floor ? when : h->floor;
	h->count++;
	sift_up(h, h->count - 1, d);
	return 0;
}

void deadlines_clear(struct deadlines *h, struct deadline *d)
{
	if (!d->place)
		return;
	uint32_t i = d->place - 1;
	struct deadline *last = h->at[--h->count];
	d->place = 0;
	if (last == d)
		return;
	if (i && h->at[(i - 1) / 2]->when > last->when)
		sift_up(h, i, last);
	else
		sift_down(h, i, last);
}

uint64_t deadlines_next(const struct deadlines *h)
{
	return h->count ? h->at[0]->when : UINT64_MAX;
}

unsigned deadlines_run(struct deadlines *h, uint64_t now)
{
	unsigned fired = 0;
	h->floor = now == UINT64_MAX ? now : now + 1;
	for (uint32_t most = h->count; most && h->count && h->at[0]->when <= now; most--) {
		struct deadline *d = h->at[0];
		deadlines_clear(h, d);
		d->fire(d);
		fired++;
	}
	h->floor = 0;
	return fired;
}
