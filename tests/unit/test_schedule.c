/* SPDX-License-Identifier: MIT */
/* The policy of shares: proportions, sleepers, caps. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/container.h"
#include "base/schedule.h"

#define SLICE UINT64_C(1000000)

static void weigh(struct share *share, uint32_t weight)
{
	*share = (struct share){.weight = weight};
}

/* Everyone always wants to run: gives out `turns` slices and counts who got how many. */
static void run(struct schedule *s, struct share *all, size_t n, unsigned turns, unsigned *got)
{
	for (unsigned t = 0; t < turns; t++) {
		struct share *next = schedule_take(s);
		cr_assert(next >= all && next < all + n);
		share_charge(next, SLICE);
		got[next - all]++;
		schedule_put(s, next, SHARE_RAN);
	}
}

Test(schedule, empty)
{
	struct schedule s = {0};
	cr_assert_null(schedule_take(&s));
	cr_assert_eq(s.count, 0);
}

Test(schedule, equals_take_turns)
{
	struct schedule s = {0};
	struct share all[5];
	for (int i = 0; i < 5; i++) {
		weigh(&all[i], 100);
		schedule_put(&s, &all[i], SHARE_NEW);
	}
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 5; i++) {
			struct share *next = schedule_take(&s);
			cr_assert_eq(next, &all[i], "round %d: %td instead of %d", round, next - all, i);
			share_charge(next, SLICE);
			schedule_put(&s, next, SHARE_RAN);
		}
	}
}

Test(schedule, shares_follow_weights)
{
	static const uint32_t weights[] = {1, 100, 200, 800, 10000};
	struct schedule s = {0};
	struct share all[5];
	unsigned got[5] = {0}, turns = 1110100;
	for (int i = 0; i < 5; i++) {
		weigh(&all[i], weights[i]);
		schedule_put(&s, &all[i], SHARE_NEW);
	}
	run(&s, all, 5, turns, got);
	for (int i = 0; i < 5; i++) {
		double want = turns * (double)weights[i] / 11101;
		cr_assert(got[i] >= want * 0.99 - 1 && got[i] <= want * 1.01 + 1, "weight %u: %u turns, not %.0f",
			  weights[i], got[i], want);
	}
}

Test(schedule, a_sleeper_comes_first_but_not_for_long)
{
	struct schedule s = {0};
	struct share hog[3], sleeper;
	unsigned got[3] = {0};
	weigh(&sleeper, 100);
	schedule_put(&s, &sleeper, SHARE_NEW);
	cr_assert_eq(schedule_take(&s), &sleeper);
	for (int i = 0; i < 3; i++) {
		weigh(&hog[i], 100);
		schedule_put(&s, &hog[i], SHARE_NEW);
	}
	run(&s, hog, 3, 30000, got);
	schedule_put(&s, &sleeper, SHARE_WOKEN);
	unsigned row = 0;
	while (schedule_take(&s) == &sleeper && row < 100) {
		share_charge(&sleeper, SLICE);
		schedule_put(&s, &sleeper, SHARE_RAN);
		row++;
	}
	cr_assert(row >= 1 && row <= 2, "it ran %u slices in a row", row);
}

Test(schedule, newcomers_have_no_claim_on_the_past)
{
	struct schedule s = {0};
	struct share old[2], new;
	unsigned got[2] = {0};
	for (int i = 0; i < 2; i++) {
		weigh(&old[i], 100);
		schedule_put(&s, &old[i], SHARE_NEW);
	}
	run(&s, old, 2, 1000, got);
	weigh(&new, 100);
	schedule_put(&s, &new, SHARE_NEW);
	unsigned turns = 0;
	for (int i = 0; i < 300; i++) {
		struct share *next = schedule_take(&s);
		turns += next == &new;
		share_charge(next, SLICE);
		schedule_put(&s, next, SHARE_RAN);
	}
	cr_assert(turns >= 99 && turns <= 101, "%u of 300", turns);
}

Test(schedule, yield_lets_equals_go)
{
	struct schedule s = {0};
	struct share a, b;
	weigh(&a, 100);
	weigh(&b, 100);
	b.vruntime = 5 * SLICE;
	schedule_put(&s, &a, SHARE_RAN);
	schedule_put(&s, &b, SHARE_RAN);
	cr_assert_eq(schedule_take(&s), &a);
	schedule_put(&s, &a, SHARE_YIELDS);
	cr_assert_eq(schedule_take(&s), &b);
}

Test(schedule, any_may_leave)
{
	struct schedule s = {0};
	struct share all[200];
	srand(7);
	for (int i = 0; i < 200; i++) {
		weigh(&all[i], 100);
		all[i].vruntime = (uint64_t)rand() % 1000;
		schedule_put(&s, &all[i], SHARE_RAN);
	}
	for (int i = 0; i < 200; i += 3)
		schedule_remove(&s, &all[i]);
	schedule_remove(&s, &all[0]);
	uint64_t last = 0;
	unsigned n = 0;
	for (struct share *next; (next = schedule_take(&s)); n++) {
		cr_assert((next - all) % 3 != 0 && next->vruntime >= last);
		last = next->vruntime;
		if (n % 5 == 0 && s.first && s.first->child)
			schedule_remove(&s, CONTAINER_OF(s.first->child, struct share, node)), n++;
	}
	cr_assert_eq(n, 133);
	cr_assert_eq(s.count, 0);
}

Test(schedule, virtual_time_may_wrap)
{
	struct schedule s = {.floor = UINT64_MAX - SLICE / 2};
	struct share all[2];
	unsigned got[2] = {0};
	for (int i = 0; i < 2; i++) {
		weigh(&all[i], 100);
		schedule_put(&s, &all[i], SHARE_NEW);
	}
	run(&s, all, 2, 100, got);
	cr_assert_eq(got[0], 50);
	cr_assert(s.floor < 100 * SLICE);
}

Test(schedule, an_idle_one_catches_up)
{
	struct schedule s = {.floor = 10};
	schedule_catch_up(&s, 1000);
	cr_assert_eq(s.floor, 1000);
	schedule_catch_up(&s, 500);
	cr_assert_eq(s.floor, 1000);
}

Test(schedule, a_stall_of_the_host_is_nobodys_debt)
{
	struct schedule s = {0};
	struct share all[2];
	unsigned got[2] = {0};
	for (int i = 0; i < 2; i++) {
		weigh(&all[i], 100);
		schedule_put(&s, &all[i], SHARE_NEW);
	}
	struct share *stalled = schedule_take(&s);
	share_charge(stalled, 3600 * UINT64_C(1000000000));
	schedule_put(&s, stalled, SHARE_RAN);
	run(&s, all, 2, 2 * CHARGE_MOST_NS / SLICE, got);
	cr_assert_gt(got[stalled - all], 0);
}

Test(bandwidth, none)
{
	uint64_t until;
	bandwidth_charge(NULL, UINT64_C(1) << 40);
	cr_assert_eq(bandwidth_left(NULL, 5, &until), UINT64_MAX);
}

Test(bandwidth, a_quota_in_each_period)
{
	struct bandwidth b = {.quota = 20, .period = 100};
	uint64_t until = 0;
	cr_assert_eq(bandwidth_left(&b, 1000, &until), 20);
	bandwidth_charge(&b, 15);
	cr_assert_eq(bandwidth_left(&b, 1050, &until), 5);
	bandwidth_charge(&b, 12);
	cr_assert_eq(bandwidth_left(&b, 1060, &until), 0);
	cr_assert_eq(until, 1100);
	cr_assert_eq(bandwidth_left(&b, 1100, &until), 13); /* the 7 too many are taken off */
	cr_assert_eq(until, 1200);
	cr_assert_eq(bandwidth_left(&b, 1990, &until), 20);
	cr_assert_eq(until, 2000);
	bandwidth_charge(&b, UINT64_MAX);
	cr_assert_eq(b.used, CHARGE_MOST_NS);
}
