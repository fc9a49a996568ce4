/* SPDX-License-Identifier: MIT */
/* Rations: so much in a time, saved up to a limit. */
#include <criterion/criterion.h>

#include "base/ration.h"

#define EVERY 1000u

Test(ration, a_burst_need_not_wait_and_the_next_one_must)
{
	struct ration r = {.every = EVERY};
	for (unsigned i = 0; i < RATION_BURST; i++)
		cr_assert_eq(ration_take(&r, 5000), 0u);
	cr_assert_eq(ration_take(&r, 5000), 5000u + EVERY);
	cr_assert_eq(ration_take(&r, 5000), 5000u + 2 * EVERY, "the second taker waits behind the first");
}

Test(ration, who_takes_no_more_than_its_ration_never_waits)
{
	struct ration r = {.every = EVERY};
	for (uint64_t now = 0; now < 100 * EVERY; now += EVERY)
		cr_assert_eq(ration_take(&r, now), 0u);
}

Test(ration, who_waits_as_told_takes_one_in_each_period)
{
	struct ration r = {.every = EVERY};
	uint64_t now = 7, end = now + 100 * EVERY, taken = 0;
	while (now < end) {
		uint64_t until = ration_take(&r, now);
		taken++;
		now = until ? until : now + 1;
	}
	cr_assert_leq(taken, 100u + RATION_BURST);
	cr_assert_geq(taken, 100u);
}

Test(ration, what_was_not_taken_is_not_saved)
{
	struct ration r = {.every = EVERY};
	cr_assert_eq(ration_take(&r, 1000000), 0u);
	cr_assert_eq(r.even, 1000000u + EVERY);
}
