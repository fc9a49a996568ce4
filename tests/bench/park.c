/* SPDX-License-Identifier: MIT */
/*
 * park FILL-IMAGE TICKER-IMAGE ROUNDS: nanoseconds a page of parking a guest of 4 MiB and one of 512 MiB, as the engine does it by
 * itself, in pieces; and how late the latest tick of a neighbour on the same worker is meanwhile, in slices.
 */
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define SLICE_US 1000.0
#define PARK_AFTER_NS UINT64_C(300000000)
#define LOOK_US 1000
#define PAGES_OF_MIB 256.0

static uint64_t fill(struct bench *b, char *image, char *mib)
{
	char *args[] = {mib};
	struct cassin_guest_spec spec;
	struct cassin_guest_status s;
	struct cassin_error_text err;
	uint64_t id;
	bench_spec(&spec, "fill", image, args, 1);
	spec.memory = ((uint64_t)bench_number(mib) + 4) << 20;
	if (cassin_engine_guest_spawn(b->engine, &spec, &id, &err))
		bench_die("%s", err.text);
	do {
		usleep(LOOK_US);
		if (cassin_engine_guest_status(b->engine, id, &s) || s.state != CASSIN_GUEST_RUNNING)
			bench_die("the guest of %s MiB has ended", mib);
	} while (!s.ready);
	return id;
}

/* Waits until the guest is parked, with ticks meanwhile if there is a ticker. The latest one, in slices. */
static double await_parked(struct bench *b, uint64_t id, char *ticker)
{
	char ticks[] = "5";
	char *args[] = {ticks};
	struct cassin_guest_status s;
	double worst = 0;
	for (;;) {
		if (cassin_engine_guest_status(b->engine, id, &s) || s.state != CASSIN_GUEST_RUNNING)
			bench_die("the guest that is to be parked has ended");
		if (s.parked)
			return worst;
		double late = ticker ? (double)bench_run(b, ticker, args, 1) / SLICE_US : 0;
		worst = late > worst ? late : worst;
		usleep(ticker ? 0 : LOOK_US);
	}
}

static double page_ns(struct bench *b, char *image, char *mib, char *ticker, double *gap)
{
	struct cassin_guest_status before, after;
	uint64_t id = fill(b, image, mib);
	cassin_engine_guest_status(b->engine, id, &before);
	*gap = await_parked(b, id, ticker);
	cassin_engine_guest_status(b->engine, id, &after);
	cassin_engine_guest_remove(b->engine, id);
	return (double)(after.counters.work_ns - before.counters.work_ns) / (bench_number(mib) * PAGES_OF_MIB);
}

int main(int argc, char **argv)
{
	char small[] = "4", large[] = "512";
	if (argc != 4)
		bench_die("usage: park FILL-IMAGE TICKER-IMAGE ROUNDS");
	unsigned rounds = bench_number(argv[3]);
	double *few = calloc(rounds, sizeof *few), *many = calloc(rounds, sizeof *many),
	       *gap = calloc(rounds, sizeof *gap), none;
	struct bench b;
	if (!few || !many || !gap)
		bench_die("no memory");
	bench_open_parking(&b, 1, PARK_AFTER_NS);
	for (unsigned r = 0; r < rounds; r++) {
		few[r] = page_ns(&b, argv[1], small, NULL, &none);
		many[r] = page_ns(&b, argv[1], large, argv[2], &gap[r]);
	}
	bench_close(&b);
	printf("{");
	bench_print("small_ns", few, rounds, ", ");
	bench_print("large_ns", many, rounds, ", ");
	bench_print("gap", gap, rounds, "}\n");
	free(few);
	free(many);
	free(gap);
	return 0;
}
