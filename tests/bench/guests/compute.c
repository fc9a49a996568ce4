/* SPDX-License-Identifier: MIT */
/* compute STRETCHES: prints the median time of work() in nanoseconds. */
#include <cassin/guest.h>

#include "../median.h"
#include "../work.h"

static uint64_t times[WORK_STRETCHES_MOST];

int main(int argc, char **argv)
{
	uint32_t n = argc == 2 ? (uint32_t)cassin_parse(argv[1], strlen(argv[1])) : 0;
	if (!n || n > WORK_STRETCHES_MOST)
		return 2;
	uint64_t x = work(0);
	for (uint32_t i = 0; i < n; i++) {
		uint64_t start = cassin_now();
		x = work(x);
		times[i] = cassin_now() - start;
	}
	cassin_print("%llu %llu\n", (unsigned long long)median(times, n), (unsigned long long)x);
	return 0;
}
