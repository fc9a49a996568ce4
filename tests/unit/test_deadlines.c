/* SPDX-License-Identifier: MIT */
/* Deadlines: in order, removed, many in one look. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/deadlines.h"

#define MANY 2000u

struct item {
	struct deadline deadline; /* first: an item is its deadline */
	struct deadlines *heap;
	struct item *victim; /* taken out when this fires */
	uint64_t again;      /* set again for this when it fires; 0: not */
};

static struct item *fired[MANY];
static unsigned nfired;

static void fire(struct deadline *d)
{
	struct item *i = (struct item *)d;
	cr_assert_not(deadline_pending(d));
	fired[nfired++] = i;
	if (i->victim)
		deadlines_clear(i->heap, &i->victim->deadline);
	if (i->again)
		deadlines_set(i->heap, d, i->again);
}

static void set(struct deadlines *h, struct item *i, uint64_t when)
{
	i->heap = h;
	i->deadline.fire = fire;
	deadlines_set(h, &i->deadline, when);
	cr_assert(deadline_pending(&i->deadline));
}

Test(deadlines, none_is_due_in_an_empty_heap)
{
	struct deadlines h = {0};
	struct item a = {0};
	cr_assert_eq(deadlines_next(&h), UINT64_MAX);
	cr_assert_eq(deadlines_run(&h, UINT64_MAX), 0u);
	deadlines_clear(&h, &a.deadline);
}

Test(deadlines, the_earliest_fires_first)
{
	struct deadlines h = {0};
	struct item a = {0}, b = {0}, c = {0};
	set(&h, &b, 20);
	set(&h, &c, 30);
	set(&h, &a, 10);
	cr_assert_eq(deadlines_next(&h), 10u);
	cr_assert_eq(deadlines_run(&h, 9), 0u);
	cr_assert_eq(deadlines_run(&h, 20), 2u);
	cr_assert_eq(fired[0], &a);
	cr_assert_eq(fired[1], &b);
	cr_assert(deadline_pending(&c.deadline));
	cr_assert_eq(deadlines_next(&h), 30u);
}

Test(deadlines, a_deadline_set_again_is_moved)
{
	struct deadlines h = {0};
	struct item a = {0}, b = {0};
	set(&h, &a, 10);
	set(&h, &b, 20);
	set(&h, &a, 30);
	cr_assert_eq(h.count, 2u);
	cr_assert_eq(deadlines_next(&h), 20u);
	set(&h, &a, 5);
	cr_assert_eq(deadlines_next(&h), 5u);
	cr_assert_eq(deadlines_run(&h, 30), 2u);
	cr_assert_eq(fired[0], &a);
}

Test(deadlines, a_cleared_deadline_does_not_fire)
{
	struct deadlines h = {0};
	struct item a = {0}, b = {0};
	set(&h, &a, 10);
	set(&h, &b, 20);
	deadlines_clear(&h, &a.deadline);
	cr_assert_not(deadline_pending(&a.deadline));
	deadlines_clear(&h, &a.deadline);
	cr_assert_eq(deadlines_run(&h, 100), 1u);
	cr_assert_eq(fired[0], &b);
}

Test(deadlines, one_that_fires_may_clear_another_that_is_due)
{
	struct deadlines h = {0};
	struct item a = {0}, b = {0};
	set(&h, &a, 10);
	set(&h, &b, 20);
	a.victim = &b;
	cr_assert_eq(deadlines_run(&h, 100), 1u);
	cr_assert_eq(h.count, 0u);
}

/* A deadline that is always overdue must not keep the others from firing, nor the caller from its loop. */
Test(deadlines, one_set_anew_for_the_past_waits_for_the_next_run)
{
	struct deadlines h = {0};
	struct item a = {.again = 1}, b = {0}, c = {0};
	set(&h, &a, 1);
	set(&h, &b, 2);
	set(&h, &c, 3);
	cr_assert_eq(deadlines_run(&h, 100), 3u);
	cr_assert_eq(fired[0], &a);
	cr_assert_eq(fired[1], &b);
	cr_assert_eq(fired[2], &c);
	cr_assert(deadline_pending(&a.deadline));
	a.again = 0;
	cr_assert_eq(deadlines_run(&h, 101), 1u);
	cr_assert_eq(fired[3], &a);
}

Test(deadlines, a_run_ends_at_the_end_of_time_too)
{
	struct deadlines h = {0};
	struct item a = {.again = UINT64_MAX};
	set(&h, &a, UINT64_MAX);
	cr_assert_eq(deadlines_run(&h, UINT64_MAX), 1u);
	cr_assert(deadline_pending(&a.deadline));
}

/* Whether every node is behind its parent, and how many there are. */
static uint32_t check_heap(const struct heap_node *node, uint64_t least)
{
	uint32_t n = 0;
	for (; node; node = node->sibling) {
		const struct deadline *d = CONTAINER_OF(node, struct deadline, node);
		cr_assert(deadline_pending(d));
		cr_assert_leq(least, d->when);
		n += 1 + check_heap(node->child, d->when);
	}
	return n;
}

Test(deadlines, many_set_moved_and_cleared_at_random_fire_in_order)
{
	static struct item items[MANY];
	struct deadlines h = {0};
	unsigned pending = 0;
	uint32_t x = 1;
	for (unsigned i = 0; i < 4 * MANY; i++) {
		x = x * 1664525 + 1013904223;
		struct item *it = &items[(x >> 8) % MANY];
		if (x >> 30)
			set(&h, it, x >> 16);
		else
			deadlines_clear(&h, &it->deadline);
		if (i % 64 == 0)
			cr_assert_eq(check_heap(h.first, 0), h.count);
	}
	for (unsigned i = 0; i < MANY; i++)
		pending += deadline_pending(&items[i].deadline);
	cr_assert_eq(pending, h.count);
	for (unsigned n; (n = deadlines_run(&h, UINT64_MAX - 1)) != 0; pending -= n)
		cr_assert_leq(n, DEADLINES_AT_ONCE);
	cr_assert_eq(pending, 0u);
	for (unsigned i = 1; i < nfired; i++)
		cr_assert_leq(fired[i - 1]->deadline.when, fired[i]->deadline.when);
	cr_assert_eq(deadlines_next(&h), UINT64_MAX);
}
