/* SPDX-License-Identifier: MIT */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/deadlines.h"

#define MANY 2000u

struct item {
	struct deadline deadline; /* first: an item is its deadline */
	struct deadlines *heap;
	struct item *victim; /* taken out when this fires */
	uint64_t again;      /* set anew for this when it fires; 0: not */
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
		cr_assert_eq(deadlines_set(i->heap, d, i->again), 0);
}

static void set(struct deadlines *h, struct item *i, uint64_t when)
{
	i->heap = h;
	i->deadline.fire = fire;
	cr_assert_eq(deadlines_set(h, &i->deadline, when), 0);
	cr_assert(deadline_pending(&i->deadline));
}

Test(deadlines, none_is_due_in_an_empty_heap)
{
	struct deadlines h = {0};
	struct item a = {0};
	cr_assert_eq(deadlines_next(&h), UINT64_MAX);
	cr_assert_eq(deadlines_run(&h, UINT64_MAX), 0u);
	deadlines_clear(&h, &a.deadline);
	deadlines_destroy(&h);
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
	deadlines_destroy(&h);
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
	deadlines_destroy(&h);
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
	deadlines_destroy(&h);
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
	deadlines_destroy(&h);
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
	deadlines_destroy(&h);
}

Test(deadlines, a_run_ends_at_the_end_of_time_too)
{
	struct deadlines h = {0};
	struct item a = {.again = UINT64_MAX};
	set(&h, &a, UINT64_MAX);
	cr_assert_eq(deadlines_run(&h, UINT64_MAX), 1u);
	cr_assert(deadline_pending(&a.deadline));
	deadlines_destroy(&h);
}

/* Whether every node knows its place and is not before its parent. */
static void check_heap(const struct deadlines *h)
{
	for (uint32_t i = 0; i < h->count; i++) {
		cr_assert_eq(h->at[i]->place, i + 1);
		cr_assert_leq(h->at[i ? (i - 1) / 2 : 0]->when, h->at[i]->when);
	}
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
			check_heap(&h);
	}
	check_heap(&h);
	for (unsigned i = 0; i < MANY; i++)
		pending += deadline_pending(&items[i].deadline);
	cr_assert_eq(pending, h.count);
	cr_assert_eq(deadlines_run(&h, UINT64_MAX - 1), pending);
	for (unsigned i = 1; i < nfired; i++)
		cr_assert_leq(fired[i - 1]->deadline.when, fired[i]->deadline.when);
	cr_assert_eq(deadlines_next(&h), UINT64_MAX);
	deadlines_destroy(&h);
}
