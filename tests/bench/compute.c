/* SPDX-License-Identifier: MIT */
/*
 * compute IMAGE ROUNDS STRETCHES: nanoseconds of one work() in this process and in a guest, by turns; each figure is
 * the median of so many.
 */
#include "common.h"

#include <stdio.h>
#include <stdlib.h>

#include "median.h"
#include "work.h"

static double process_ns(unsigned n)
{
	static uint64_t times[WORK_STRETCHES_MOST];
	uint64_t x = work(0);
	for (unsigned i = 0; i < n; i++) {
		uint64_t start = bench_ns();
		x = work(x);
		times[i] = bench_ns() - start;
	}
	if (!x)
		bench_die("work() gave 0");
	return (double)median(times, n);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		bench_die("usage: compute IMAGE ROUNDS STRETCHES");
	unsigned rounds = bench_number(argv[2]), n = bench_number(argv[3]);
	if (n > WORK_STRETCHES_MOST)
		bench_die("at most %u stretches", WORK_STRETCHES_MOST);
	double *guest = calloc(rounds, sizeof *guest), *process = calloc(rounds, sizeof *process);
	struct bench b;
	if (!guest || !process)
		bench_die("no memory");
	bench_open(&b, 1);
	for (unsigned i = 0; i < rounds; i++) {
		process[i] = process_ns(n);
		guest[i] = (double)bench_run(&b, argv[1], &argv[3], 1);
	}
	printf("{");
	bench_print("process_ns", process, rounds, ", ");
	bench_print("guest_ns", guest, rounds, "}\n");
	bench_close(&b);
	free(guest);
	free(process);
	return 0;
}
