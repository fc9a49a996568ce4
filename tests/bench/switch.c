/* SPDX-License-Identifier: MIT */
/*
 * switch IMAGE FEW MANY ROUNDS [PAGES]: nanoseconds of a switch over FEW guests in turn and over MANY, in rounds that
 * alternate, each set in an engine of one worker. With PAGES, each guest writes to so many pages whenever it has its
 * turn, and touch_ns is what that takes a guest that does nothing else.
 */
#include "common.h"

#include <stdio.h>
#include <stdlib.h>

#include "yielders.h"

#define FEW_SWITCHES 40000u /* in a round, at least */
#define MANY_YIELDS 6u      /* of each guest, in a round */
#define TOUCHES 4u
#define STRETCHES 60u

static double touch_ns(struct bench *b, const char *image, unsigned pages)
{
	char mode[] = "touch", size[16], count[16], stretches[16], *args[] = {mode, size, count, stretches};
	snprintf(size, sizeof size, "%u", pages);
	snprintf(count, sizeof count, "%u", TOUCHES);
	snprintf(stretches, sizeof stretches, "%u", STRETCHES);
	return pages ? (double)bench_run(b, image, args, 4) / TOUCHES : 0;
}

int main(int argc, char **argv)
{
	if (argc != 5 && argc != 6)
		bench_die("usage: switch IMAGE FEW MANY ROUNDS [PAGES]");
	unsigned pages = argc == 6 ? bench_number(argv[5]) : 0;
	unsigned few = bench_number(argv[2]), many = bench_number(argv[3]), rounds = bench_number(argv[4]);
	double *few_ns = calloc(rounds, sizeof *few_ns), *many_ns = calloc(rounds, sizeof *many_ns), warm, touch;
	struct bench few_bench, many_bench;
	struct yielders few_guests, many_guests;
	if (!few_ns || !many_ns)
		bench_die("no memory");
	bench_open(&few_bench, 1);
	bench_open(&many_bench, 1);
	touch = touch_ns(&few_bench, argv[1], pages);
	yielders_spawn(&few_guests, &few_bench, argv[1], few, FEW_SWITCHES / few + 1, pages);
	yielders_spawn(&many_guests, &many_bench, argv[1], many, MANY_YIELDS, pages);
	for (unsigned r = 0; r < rounds; r++) {
		/* A cell that has rested has given back what KVM held for it: all are busy once before the round. */
		yielders_round(&few_guests, &warm);
		yielders_round(&few_guests, &few_ns[r]);
		yielders_round(&many_guests, &warm);
		yielders_round(&many_guests, &many_ns[r]);
	}
	printf("{");
	bench_print("few_ns", few_ns, rounds, ", ");
	bench_print("many_ns", many_ns, rounds, ", ");
	bench_print("touch_ns", &touch, 1, "}\n");
	yielders_free(&few_guests);
	yielders_free(&many_guests);
	bench_close(&few_bench);
	bench_close(&many_bench);
	free(few_ns);
	free(many_ns);
	return 0;
}
