/* SPDX-License-Identifier: MIT */
/* Sleep and timers of guest-kernel. */
#include "check.h"
#include "kernel_check.h"

#define SLEEPERS 1000u

static unsigned awake;
static uint64_t last_wake;

static int sleeps(void *arg)
{
	uint64_t when = last_wake + (uint64_t)arg * 50000;
	cassin_sleep_until(when);
	CHECK(cassin_now() + 200000 >= when);
	awake++;
	return 0;
}

/* So many threads sleep; one exit for each moment at most, and all memory comes back. */
static void sleepers(int argc, char **argv)
{
	struct cassin_info before, after;
	struct cassin_thread_options small = {.stack_size = 2048, .detached = 1};
	(void)argc;
	(void)argv;
	for (uint64_t i = 0; i < SLEEPERS; i++)
		start(&small, sleeps, (void *)(i * 37 % SLEEPERS));
	last_wake = cassin_after(100 * MS);
	cassin_info(&before);
	while (awake < SLEEPERS)
		cassin_sleep(50 * MS);
	cassin_info(&after);
	/* A thread whose turn it is gives its stack back, which costs a call; the guest waits once for each moment. Where
	 * the host's counter is of no use, reading the clock is a call as well. */
	const struct cassin_clock_page *page = (const void *)cassin_boot->clock_page;
	unsigned each = page->flags & CASSIN_CLOCK_TSC ? 3 : 9;
	CHECK(after.hypercalls - before.hypercalls < each * SLEEPERS);
}

static unsigned fired;
static uint64_t fired_at;

static void fires(struct cassin_timer *t)
{
	fired++;
	fired_at = cassin_now();
	if (t->period && fired == 5)
		CHECK(cassin_timer_stop(t));
}

static void timers(int argc, char **argv)
{
	struct cassin_timer once = {.fire = fires}, again = {.fire = fires, .period = 2 * MS}, never = {.fire = fires};
	(void)argc;
	(void)argv;
	uint64_t when = cassin_now() + 3 * MS;
	CHECK(!cassin_timer_stop(&once));
	cassin_timer_start(&once, when + 100 * MS);
	cassin_timer_start(&once, when);
	cassin_timer_start(&never, when);
	CHECK(cassin_timer_stop(&never));
	cassin_sleep(10 * MS);
	CHECK_IS(fired, 1);
	CHECK(fired_at + 200000 >= when);
	fired = 0;
	cassin_timer_start(&again, cassin_now());
	cassin_sleep(100 * MS);
	CHECK_IS(fired, 5);
	/* They fire while a thread only yields, too. */
	cassin_timer_start(&once, cassin_now() + MS);
	while (fired == 5)
		cassin_thread_yield();
}

static struct cassin_event never_set;

static void waits(struct cassin_timer *t)
{
	(void)t;
	cassin_event_wait(&never_set, CASSIN_FOREVER);
}

static void timer_that_blocks(int argc, char **argv)
{
	struct cassin_timer timer = {.fire = waits};
	(void)argc;
	(void)argv;
	cassin_timer_start(&timer, cassin_now());
	cassin_sleep(MS);
}

static const struct property all[] = {
	{"sleepers", sleepers},
	{"timers", timers},
	{"timer-that-blocks", timer_that_blocks},
};
PROPERTIES(all)
