/* SPDX-License-Identifier: MIT */
/*
 * calls IMAGE ROUNDS GUESTS: hypercalls, batches and switches, in rounds that alternate with the bare loop. Prints the
 * nanoseconds of one raw exit, null hypercall, single-operation enter, 64-operation enter, and switch.
 */
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "median.h"
#include "raw_kvm.h"
#include "raw_ptrace.h"
#include "yielders.h"

#define PASSES 3      /* over the quiet measures, in each round */
#define STRETCHES 60u /* of which one pass takes the median */
#define CALLS 16u     /* in each */
#define BATCHES 12u
#define BATCH 64u
#define YIELDS 20u /* of each guest, in a round */

enum measure { RAW, NULL_CALL, BATCH_1, BATCH_64, SWITCH, MEASURES };
static const char *const names[MEASURES] = {"raw_ns", "null_ns", "enter1_ns", "enter64_ns", "switch_ns"};

struct samples {
	double *values[MEASURES];
	size_t n[MEASURES];
};

static void take(struct samples *s, enum measure m, uint64_t ns, unsigned count)
{
	s->values[m][s->n[m]++] = (double)ns / count;
}

/* The bare loop of the backend that the guests have. */
static uint64_t (*raw)(unsigned n);

static void open_raw(struct bench *b)
{
	if (!strcmp(cassin_engine_backend(b->engine), cassin_backend_name(CASSIN_BACKEND_PROCESS))) {
		raw_ptrace_open();
		raw = raw_ptrace_loop;
	} else {
		raw_open();
		raw = raw_loop;
	}
}

static uint64_t raw_median(void)
{
	uint64_t times[STRETCHES];
	for (unsigned i = 0; i < STRETCHES; i++)
		times[i] = raw(CALLS);
	return median(times, STRETCHES);
}

static uint64_t guest_null(struct bench *b, const char *image)
{
	char mode[] = "null", count[16], stretches[16], *args[] = {mode, count, stretches};
	snprintf(count, sizeof count, "%u", CALLS);
	snprintf(stretches, sizeof stretches, "%u", STRETCHES);
	return bench_run(b, image, args, 3);
}

static uint64_t guest_batch(struct bench *b, const char *image, unsigned size, unsigned n)
{
	char mode[] = "batch", length[16], count[16], stretches[16], *args[] = {mode, length, count, stretches};
	snprintf(length, sizeof length, "%u", size);
	snprintf(count, sizeof count, "%u", n);
	snprintf(stretches, sizeof stretches, "%u", STRETCHES);
	return bench_run(b, image, args, 4);
}

static void quiet_pass(struct bench *b, const char *image, struct samples *s)
{
	take(s, RAW, raw_median(), CALLS);
	take(s, NULL_CALL, guest_null(b, image), CALLS);
	take(s, BATCH_1, guest_batch(b, image, 1, CALLS), CALLS);
	take(s, BATCH_64, guest_batch(b, image, BATCH, BATCHES), BATCHES);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		bench_die("usage: calls IMAGE ROUNDS GUESTS");
	unsigned rounds = bench_number(argv[2]), guests = bench_number(argv[3]);
	struct samples s = {0};
	struct bench b;
	double calls = 0;
	for (enum measure m = 0; m < MEASURES; m++)
		s.values[m] = calloc((size_t)rounds * PASSES, sizeof(double));
	bench_open(&b, 1);
	open_raw(&b);
	struct yielders y;
	yielders_spawn(&y, &b, argv[1], guests, YIELDS, 0);
	raw(CALLS);
	guest_null(&b, argv[1]);
	for (unsigned r = 0; r < rounds; r++) {
		for (int i = 0; i < PASSES; i++)
			quiet_pass(&b, argv[1], &s);
		double switch_ns;
		calls += yielders_round(&y, &switch_ns);
		s.values[SWITCH][s.n[SWITCH]++] = switch_ns;
	}
	printf("{");
	for (enum measure m = 0; m < MEASURES; m++)
		bench_print(names[m], s.values[m], s.n[m], ", ");
	printf("\"guests\": %u, \"calls_per_switch\": %.4f}\n", guests, calls / rounds);
	yielders_free(&y);
	bench_close(&b);
	for (enum measure m = 0; m < MEASURES; m++)
		free(s.values[m]);
	return 0;
}
