/* SPDX-License-Identifier: MIT */
/*
 * paging IMAGE ROUNDS: system calls of user code, and map calls of one page and of many, in turn. Prints the exits for 1,000
 * of the former, and the nanoseconds of one of each of the latter.
 */
#include "common.h"

#include <stdio.h>
#include <stdlib.h>

#define COUNT 16u /* in each stretch of which the guest takes the median */
#define STRETCHES 60u
#define PAGES 512u

static uint64_t run_user(struct bench *b, const char *image)
{
	char mode[] = "user", count[16], stretches[16], *args[] = {mode, count, stretches};
	snprintf(count, sizeof count, "%u", COUNT);
	snprintf(stretches, sizeof stretches, "%u", STRETCHES);
	return bench_run(b, image, args, 3);
}

static double run_map(struct bench *b, const char *image, unsigned pages)
{
	char mode[] = "map", size[16], count[16], stretches[16], *args[] = {mode, size, count, stretches};
	snprintf(size, sizeof size, "%u", pages);
	snprintf(count, sizeof count, "%u", COUNT);
	snprintf(stretches, sizeof stretches, "%u", STRETCHES);
	return (double)bench_run(b, image, args, 4) / COUNT;
}

int main(int argc, char **argv)
{
	if (argc != 3)
		bench_die("usage: paging IMAGE ROUNDS");
	unsigned rounds = bench_number(argv[2]);
	double *exits = calloc(rounds, sizeof *exits), *one = calloc(rounds, sizeof *one),
	       *many = calloc(rounds, sizeof *many);
	struct bench b;
	bench_open(&b, 1);
	run_user(&b, argv[1]);
	for (unsigned r = 0; r < rounds; r++) {
		exits[r] = (double)run_user(&b, argv[1]);
		one[r] = run_map(&b, argv[1], 1);
		many[r] = run_map(&b, argv[1], PAGES);
	}
	printf("{\"pages\": %u, ", PAGES);
	bench_print("exits_per_1000", exits, rounds, ", ");
	bench_print("map1_ns", one, rounds, ", ");
	bench_print("map_many_ns", many, rounds, "}\n");
	bench_close(&b);
	free(exits);
	free(one);
	free(many);
	return 0;
}
