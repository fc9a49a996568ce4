/* SPDX-License-Identifier: MIT */
/*
 * idler timeout|yield [PERIOD_MS]
 *
 * Has next to nothing to do, every PERIOD_MS (10). Until then it idles with a timeout; or, as if there were no such
 * thing, looks at the clock and yields, over and over.
 */
#include <cassin/guest.h>

static void idle(uint64_t until, bool yields)
{
	if (!yields)
		cassin_sleep_until(until);
	while (cassin_now() < until)
		cassin_call0(CASSIN_CALL_YIELD);
}

int main(int argc, char **argv)
{
	long long ms = argc > 2 ? cassin_parse(argv[2], strlen(argv[2])) : 10;
	bool yields = argc > 1 && strcmp(argv[1], "yield") == 0;
	uint64_t phase;
	if (argc < 2 || argc > 3 || (!yields && strcmp(argv[1], "timeout") != 0) || ms < 1 || ms > 3600000) {
		cassin_print("usage: idler timeout|yield [PERIOD_MS]\n");
		return 2;
	}
	uint64_t period = (uint64_t)ms * 1000000;
	cassin_random(&phase, sizeof phase);
	cassin_ready();
	for (uint64_t due = cassin_now() + phase % period;; due += period)
		idle(due, yields);
}
