/* SPDX-License-Identifier: MIT */
/*
 * threads COUNT STRETCHES: two threads yield to each other. Prints the median time of COUNT switches in nanoseconds and
 * the exits in all stretches together.
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

int main(int argc, char **argv)
{
	uint32_t count = argc == 3 ? (uint32_t)cassin_parse(argv[1], strlen(argv[1])) : 0;
	uint32_t stretches = argc == 3 ? (uint32_t)cassin_parse(argv[2], strlen(argv[2])) : 0;
	if (!count || !stretches || stretches > STRETCHES_MOST || cassin_thread_create(NULL, NULL, other, NULL))
		return 2;
	cassin_thread_yield();
	uint64_t before = hypercalls();
	for (uint32_t s = 0; s < stretches; s++) {
		uint64_t start = cassin_now();
		for (uint32_t i = 0; i < count / 2; i++) /* there and back */
			cassin_thread_yield();
		times[s] = cassin_now() - start;
	}
	uint64_t calls = hypercalls() - before - 1;
	done = true;
	cassin_print("%lu %lu\n", median(times, stretches), calls);
	return 0;
}
