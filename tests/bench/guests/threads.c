/* SPDX-License-Identifier: MIT */
/*
 * threads time COUNT STRETCHES   two threads yield to each other: the median time of COUNT switches, in nanoseconds
 * threads calls COUNT STRETCHES  the hypercalls in all of them together
 */
#include <cassin/kernel.h>

#include "../median.h"

#define STRETCHES_MOST 1024u

static uint64_t times[STRETCHES_MOST];
static bool done;

static int other(void *arg)
{
	(void)arg;
	while (!done)
		cassin_thread_yield();
	return 0;
}

static uint64_t hypercalls(void)
{
	struct cassin_info info;
	cassin_info(&info);
	return info.hypercalls;
}

static void stretch(uint32_t count)
{
	for (uint32_t i = 0; i < count / 2; i++) /* there and back */
		cassin_thread_yield();
}

static uint64_t median_time(uint32_t count, uint32_t stretches)
{
	for (uint32_t s = 0; s < stretches; s++) {
		uint64_t start = cassin_now();
		stretch(count);
		times[s] = cassin_now() - start;
	}
	return median(times, stretches);
}

static uint64_t calls(uint32_t count, uint32_t stretches)
{
	uint64_t before = hypercalls();
	for (uint32_t s = 0; s < stretches; s++)
		stretch(count);
	return hypercalls() - before - 1; /* the one that asks */
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	uint32_t count = (uint32_t)cassin_parse(argv[2], strlen(argv[2]));
	uint32_t stretches = (uint32_t)cassin_parse(argv[3], strlen(argv[3]));
	if (!stretches || stretches > STRETCHES_MOST || cassin_thread_create(NULL, NULL, other, NULL))
		return 2;
	stretch(count);
	bool time = strcmp(argv[1], "time") == 0;
	cassin_print("%lu\n", time ? median_time(count, stretches) : calls(count, stretches));
	done = true;
	return 0;
}
