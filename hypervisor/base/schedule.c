/* SPDX-License-Identifier: MIT */
#include "base/schedule.h"

#include "base/container.h"

static struct share *share_of(const struct heap_node *node)
{
	return node ? CONTAINER_OF(node, struct share, node) : NULL;
}

/* Virtual times are compared by their difference: they may wrap. */
static bool precedes(const struct heap_node *x, const struct heap_node *y)
{
	const struct share *a = share_of(x), *b = share_of(y);
	if (a->vruntime != b->vruntime)
		return (int64_t)(a->vruntime - b->vruntime) < 0;
	return a->since < b->since;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) > 0 ? a : b;
}

void schedule_put(struct schedule *s, struct share *share, enum share_why why)
{
	switch (why) {
	case SHARE_NEW:
		share->vruntime = s->floor;
		break;
	case SHARE_WOKEN:
		if ((int64_t)(share->vruntime - s->floor) > 0)
			share->vruntime -= share->slept;
		share->vruntime = later(share->vruntime, s->floor - SHARE_CREDIT_NS);
		break;
	case SHARE_YIELDS:
		if (s->first)
			share->vruntime = later(share->vruntime, share_of(s->first)->vruntime);
		break;
	case SHARE_RAN:
		break;
	}
	share->since = s->puts++;
	share->queued = true;
	s->first = heap_put(s->first, &share->node, precedes);
	s->count++;
}

struct share *schedule_take(struct schedule *s)
{
	struct share *share = share_of(s->first);
	if (!share)
		return NULL;
	schedule_remove(s, share);
	s->floor = later(s->floor, share->vruntime);
	return share;
}

void schedule_remove(struct schedule *s, struct share *share)
{
	if (!share->queued)
		return;
	s->first = heap_take(s->first, &share->node, precedes);
	share->queued = false;
	s->count--;
}

static uint64_t chargeable(uint64_t ns)
{
	return ns < CHARGE_MOST_NS ? ns : CHARGE_MOST_NS;
}

void share_charge(struct share *share, uint64_t ns)
{
	share->vruntime += chargeable(ns) * SHARE_WEIGHT / share->weight;
}

void share_charge_idle(struct share *share, const struct schedule *s, uint64_t ns)
{
	share->vruntime = later(share->vruntime, s->floor - SHARE_CREDIT_NS);
	share_charge(share, ns);
}

void schedule_catch_up(struct schedule *s, uint64_t floor)
{
	s->floor = later(s->floor, floor);
}

uint64_t bandwidth_left(struct bandwidth *b, uint64_t now, uint64_t *until)
{
	if (!b)
		return UINT64_MAX;
	if (now >= b->period_end) {
		uint64_t periods = b->period_end ? (now - b->period_end) / b->period + 1 : 1;
		uint64_t given = periods > UINT64_MAX / b->quota ? UINT64_MAX : periods * b->quota;
		b->used = b->used > given ? b->used - given : 0;
		b->period_end = b->period_end ? b->period_end + periods * b->period : now + b->period;
	}
	*until = b->period_end;
	return b->used < b->quota ? b->quota - b->used : 0;
}

void bandwidth_charge(struct bandwidth *b, uint64_t ns)
{
	if (b)
		b->used += chargeable(ns);
}
