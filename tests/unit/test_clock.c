/* SPDX-License-Identifier: MIT */
/* The clock page against the host's own clock. Machines stall: the bounds are wide, the direction of time is not. */
#include <criterion/criterion.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "cell/clock.h"
#include "base/time.h"

#define CLOSE_NS INT64_C(50000000)

/* As a guest reads it. */
static uint64_t guest_ns(const struct cassin_clock_page *p)
{
	uint64_t ticks = __rdtsc() - p->tsc_base;
	return p->mono_base + (uint64_t)((unsigned __int128)ticks * p->tsc_mul >> p->tsc_shift);
}

static int64_t difference(uint64_t a, uint64_t b)
{
	int64_t d = (int64_t)(a - b);
	return d < 0 ? -d : d;
}

Test(clock, the_page_tells_the_hosts_time)
{
	struct cassin_clock_page page = {0};
	struct clock c;
	clock_init(&c, true);
	clock_publish(&c, &page);
	cr_assert_eq(page.flags, CASSIN_CLOCK_TSC);
	cr_assert_eq(page.seq, 2u);
	cr_assert_lt(difference(guest_ns(&page), monotonic_ns()), CLOSE_NS);
	struct timespec wall;
	clock_gettime(CLOCK_REALTIME, &wall);
	uint64_t real = (uint64_t)wall.tv_sec * 1000000000u + (uint64_t)wall.tv_nsec;
	cr_assert_lt(difference(guest_ns(&page) + (uint64_t)page.wall_offset, real), CLOSE_NS);
}

Test(clock, a_host_without_an_invariant_tsc_says_so)
{
	struct cassin_clock_page page = {0};
	struct clock c;
	clock_init(&c, false);
	clock_publish(&c, &page);
	cr_assert_eq(page.flags, 0u);
}

Test(clock, time_never_steps_back_when_it_is_steered)
{
	struct cassin_clock_page page = {0};
	struct clock c;
	clock_init(&c, true);
	clock_publish(&c, &page);
	uint64_t last = guest_ns(&page);
	for (unsigned i = 0; i < 50; i++) {
		usleep(1000);
		uint64_t before = guest_ns(&page);
		cr_assert_geq(before, last);
		clock_steer(&c);
		clock_publish(&c, &page);
		cr_assert_eq(page.seq % 2, 0u);
		last = guest_ns(&page);
		cr_assert_geq(last, before);
	}
	cr_assert_lt(difference(last, monotonic_ns()), CLOSE_NS);
}

/* A page that runs ahead is slowed, one that fell far behind is brought forward at once. */
Test(clock, errors_are_steered_out)
{
	struct clock c;
	clock_init(&c, true);
	uint64_t fair = c.page.tsc_mul;
	c.page.mono_base += 5000000;
	clock_steer(&c);
	cr_assert_lt(c.page.tsc_mul, fair);
	c.page.mono_base -= 10000000000u;
	clock_steer(&c);
	struct cassin_clock_page page = {0};
	clock_publish(&c, &page);
	cr_assert_lt(difference(guest_ns(&page), monotonic_ns()), CLOSE_NS);
}
