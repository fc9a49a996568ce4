/* SPDX-License-Identifier: MIT */
#include <cassin/guest.h>

static uint64_t tsc(void)
{
	uint32_t low, high;
	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

/* Reads the clock page; the wall clock is `wall` ahead. False: the page is of no use on this host. */
static bool read_page(uint64_t *ns, int64_t *wall)
{
	const volatile struct cassin_clock_page *p = (const volatile void *)cassin_boot->clock_page;
	uint32_t seq;
	do {
		while ((seq = p->seq) & 1)
			__asm__ volatile("pause");
		__asm__ volatile("" ::: "memory");
		if (!(p->flags & CASSIN_CLOCK_TSC))
			return false;
		uint64_t ticks = tsc() - p->tsc_base;
		if ((int64_t)ticks < 0) /* the page was steered on a core whose TSC is a hair ahead */
			ticks = 0;
		*ns = p->mono_base + (uint64_t)((unsigned __int128)ticks * p->tsc_mul >> p->tsc_shift);
		*wall = p->wall_offset;
		__asm__ volatile("" ::: "memory");
	} while (p->seq != seq);
	return true;
}

static uint64_t call_time(enum cassin_clock_id clock)
{
	return (uint64_t)cassin_call(CASSIN_CALL_TIME, clock, 0, 0, 0, 0);
}

uint64_t cassin_now(void)
{
	uint64_t ns;
	int64_t wall;
	return read_page(&ns, &wall) ? ns : call_time(CASSIN_CLOCK_MONOTONIC);
}

uint64_t cassin_wall(void)
{
	uint64_t ns;
	int64_t wall;
	return read_page(&ns, &wall) ? ns + (uint64_t)wall : call_time(CASSIN_CLOCK_WALL);
}

uint64_t cassin_virtual(void)
{
	const volatile struct cassin_info_page *p = (const volatile void *)cassin_boot->info_page;
	uint64_t ns, before, at;
	int64_t wall;
	do { /* a dispatch in between changes both */
		at = p->dispatched_at;
		before = p->virtual_ns;
		if (!at || !read_page(&ns, &wall))
			return call_time(CASSIN_CLOCK_VIRTUAL);
	} while (p->dispatched_at != at);
	return before + (ns > at ? ns - at : 0);
}

void cassin_sleep_until(uint64_t when)
{
	struct cassin_sqe op = {.op = CASSIN_OP_TIMEOUT, .offset = when};
	cassin_do(&op);
}
