/* SPDX-License-Identifier: MIT */
/*
 * calls null COUNT STRETCHES        null hypercalls, COUNT in each stretch
 * calls batch SIZE COUNT STRETCHES  enters of SIZE no-ops, COUNT in each stretch
 * calls touch PAGES COUNT STRETCHES  writes to each of PAGES pages, COUNT times in each stretch
 * calls yield COUNT PAGES           for each byte of input: COUNT yields, behind each a write to each of PAGES pages
 *
 * All but the last print the median of the stretches' times, in nanoseconds.
 */
#include <cassin/guest.h>

#include "../median.h"

#define BATCH_MOST 64u
#define STRETCHES_MOST 1024u

#define PAGES_MOST 256u

static uint64_t times[STRETCHES_MOST];
static volatile char memory[PAGES_MOST][CASSIN_PAGE_SIZE];

static void null(uint64_t size)
{
	(void)size;
	cassin_call0(CASSIN_CALL_NULL);
}

static void batch(uint64_t size)
{
	struct cassin_cqe cqe;
	for (uint32_t i = 0; i < size; i++)
		cassin_sqe(CASSIN_OP_NOP, i);
	cassin_wait((uint32_t)size, CASSIN_FOREVER);
	for (uint32_t i = 0; i < size; i++) {
		if (!cassin_next(&cqe) || cqe.user_data != i || cqe.result)
			cassin_exit(3);
	}
}

/* One line of each page, not the same of all: they would share a few sets of the cache. */
static void touch(uint64_t pages)
{
	for (uint64_t i = 0; i < pages; i++)
		memory[i][i * 64 % CASSIN_PAGE_SIZE]++;
}

static int measure(void (*what)(uint64_t size), uint64_t size, uint64_t count, uint64_t stretches)
{
	if (stretches > STRETCHES_MOST || !stretches || cassin_ring_init(BATCH_MOST, BATCH_MOST))
		return 4;
	what(size); /* the pages are touched now */
	for (uint64_t s = 0; s < stretches; s++) {
		uint64_t start = cassin_now();
		for (uint64_t i = 0; i < count; i++)
			what(size);
		times[s] = cassin_now() - start;
	}
	cassin_print("%llu\n", (unsigned long long)median(times, (uint32_t)stretches));
	return 0;
}

static int yields(uint64_t n, uint64_t pages)
{
	char bytes[16];
	int32_t got;
	touch(pages);
	cassin_ready();
	while ((got = cassin_read(bytes, sizeof bytes)) > 0) {
		for (uint64_t i = n * (uint64_t)got; i; i--) {
			cassin_call0(CASSIN_CALL_YIELD);
			touch(pages);
		}
	}
	return 0;
}

static uint64_t number(const char *text)
{
	return (uint64_t)cassin_parse(text, strlen(text));
}

int main(int argc, char **argv)
{
	uint64_t numbers[3] = {0};
	for (int i = 2; i < argc && i < 5; i++)
		numbers[i - 2] = number(argv[i]);
	if (argc == 4 && strcmp(argv[1], "null") == 0)
		return measure(null, 0, numbers[0], numbers[1]);
	if (argc == 5 && strcmp(argv[1], "batch") == 0 && numbers[0] <= BATCH_MOST)
		return measure(batch, numbers[0], numbers[1], numbers[2]);
	if (argc == 5 && strcmp(argv[1], "touch") == 0 && numbers[0] <= PAGES_MOST)
		return measure(touch, numbers[0], numbers[1], numbers[2]);
	if (argc == 4 && strcmp(argv[1], "yield") == 0 && numbers[1] <= PAGES_MOST)
		return yields(numbers[0], numbers[1]);
	return 2;
}
