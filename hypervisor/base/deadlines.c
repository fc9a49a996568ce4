/* SPDX-License-Identifier: MIT */
#include "base/deadlines.h"

#include "base/container.h"

static struct deadline *deadline_of(const struct heap_node *node)
{
	return node ? CONTAINER_OF(node, struct deadline, node) : NULL;
}

static bool precedes(const struct heap_node *a, const struct heap_node *b)
{
	return deadline_of(a)->when < deadline_of(b)->when;
}

void deadlines_set(struct deadlines *h, struct deadline *d, uint64_t when)
{
	deadlines_clear(h, d);
	d->when = when > h->floor ? when : h->floor;
	h->count++;
	h->first = heap_put(h->first, &d->node, precedes);
}

void deadlines_clear(struct deadlines *h, struct deadline *d)
{
	if (!deadline_pending(d))
		return;
	h->count--;
	h->first = heap_take(h->first, &d->node, precedes);
}

uint64_t deadlines_next(const struct deadlines *h)
{
	return h->first ? deadline_of(h->first)->when : UINT64_MAX;
}

unsigned deadlines_run(struct deadlines *h, uint64_t now)
{
	unsigned fired = 0;
	h->floor = now == UINT64_MAX ? now : now + 1;
	uint32_t most = h->count < DEADLINES_AT_ONCE ? h->count : DEADLINES_AT_ONCE;
	for (; most && h->first && deadline_of(h->first)->when <= now; most--) {
		struct deadline *d = deadline_of(h->first);
		deadlines_clear(h, d);
		d->fire(d);
		fired++;
	}
	h->floor = 0;
	return fired;
}
