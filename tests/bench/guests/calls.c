/* SPDX-License-Identifier: MIT */
/*
 * calls null COUNT STRETCHES        null hypercalls, COUNT in each stretch
 * calls batch SIZE COUNT STRETCHES  enters of SIZE no-ops, COUNT in each stretch
 * calls yield COUNT                 for each byte of input: COUNT yields
 *
 * The first two print the median of the stretches' times, in nanoseconds.
 */
#include <cassin/guest.h>

#include "../median.h"

#define BATCH_MOST 64u
#define STRETCHES_MOST 1024u

static uint64_t times[STRETCHES_MOST];

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

static int measure(void (*what)(uint64_t size), uint64_t size, uint64_t count, uint64_t stretches)
{
	if (size > BATCH_MOST || stretches > STRETCHES_MOST || !stretches || cassin_ring_init(BATCH_MOST, BATCH_MOST))
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

static int yields(uint64_t n)
{
	char bytes[16];
	int32_t got;
	cassin_ready();
	while ((got = cassin_read(bytes, sizeof bytes)) > 0) {
		for (uint64_t i = n * (uint64_t)got; i; i--)
			cassin_call0(CASSIN_CALL_YIELD);
	}
	return 0;
}

static uint64_t number(const char *text)
{
	return (uint64_t)cassin_parse(text, strlen(text));
}

int main(int argc, char **argv)
{
	if (argc == 4 && strcmp(argv[1], "null") == 0)
		return measure(null, 0, number(argv[2]), number(argv[3]));
	if (argc == 5 && strcmp(argv[1], "batch") == 0)
		return measure(batch, number(argv[2]), number(argv[3]), number(argv[4]));
	if (argc == 3 && strcmp(argv[1], "yield") == 0)
		return yields(number(argv[2]));
	return 2;
}
