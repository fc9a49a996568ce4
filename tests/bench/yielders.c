/* SPDX-License-Identifier: MIT */
#include "yielders.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define LOOK_US 20000
#define REST_US 20000
#define STILL_LOOKS 5u        /* without a switch between them: the round is over */
#define SWITCHES_LEAST 20000u /* of a round, or it is over between two looks */
#define PATIENCE_NS UINT64_C(60000000000)

static void await_ready(struct bench *b, uint64_t id)
{
	struct cassin_guest_status s = {0};
	while (!cassin_engine_guest_status(b->engine, id, &s) && !s.ready && s.state <= CASSIN_GUEST_RUNNING)
		usleep(10000);
	if (!s.ready)
		bench_ended(b, &s);
}

void yielders_spawn(struct yielders *y, struct bench *b, const char *image, unsigned n, unsigned yields, unsigned pages)
{
	char mode[] = "yield", count[16], touched[16], *args[] = {mode, count, touched};
	if (yields < SWITCHES_LEAST / n + 1)
		yields = SWITCHES_LEAST / n + 1;
	*y = (struct yielders){.bench = b, .n = n, .yields = yields, .ids = calloc(n, sizeof *y->ids)};
	if (!y->ids)
		bench_die("no memory");
	snprintf(count, sizeof count, "%u", yields);
	snprintf(touched, sizeof touched, "%u", pages);
	for (unsigned i = 0; i < n; i++) {
		char name[32];
		struct cassin_guest_spec spec;
		struct cassin_error_text err;
		snprintf(name, sizeof name, "yield-%u", i);
		bench_spec(&spec, name, image, args, 3);
		if (cassin_engine_guest_spawn(b->engine, &spec, &y->ids[i], &err))
			bench_die("%s", err.text);
	}
	for (unsigned i = 0; i < n; i++)
		await_ready(b, y->ids[i]);
}

void yielders_free(struct yielders *y)
{
	free(y->ids);
}

struct progress {
	uint64_t switches, calls, cpu_ns;
};

/* CPU time of the process, as other programs take the worker's CPU for longer than a switch takes. */
static struct progress progress(struct bench *b)
{
	struct cassin_engine_stats s;
	struct timespec cpu;
	cassin_engine_stats(b->engine, &s);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	return (struct progress){s.switches, s.hypercalls, (uint64_t)cpu.tv_sec * 1000000000u + (uint64_t)cpu.tv_nsec};
}

static struct progress wait_switches(struct bench *b, uint64_t until)
{
	uint64_t start = bench_ns();
	for (;;) {
		struct progress now = progress(b);
		if (now.switches >= until)
			return now;
		if (bench_ns() - start > PATIENCE_NS)
			bench_die("the guests do not yield");
		usleep(LOOK_US);
	}
}

/* Some of the yields before all guests are at it may be no switches. */
static void wait_end(struct bench *b, uint64_t all)
{
	uint64_t last = 0;
	for (unsigned still = 0; still < STILL_LOOKS;) {
		uint64_t now = progress(b).switches;
		if (now >= all)
			return;
		still = now == last ? still + 1 : 0;
		last = now;
		usleep(LOOK_US);
	}
}

double yielders_round(struct yielders *y, double *switch_ns)
{
	uint64_t begin = progress(y->bench).switches, all = (uint64_t)y->n * y->yields;
	for (unsigned i = 0; i < y->n; i++) {
		if (cassin_engine_guest_input(y->bench->engine, y->ids[i], "y", 1) != 1)
			bench_die("a guest takes no input");
	}
	struct progress from = wait_switches(y->bench, begin + all * 3 / 10),
			to = wait_switches(y->bench, begin + all * 9 / 10);
	double switches = (double)(to.switches - from.switches);
	*switch_ns = (double)(to.cpu_ns - from.cpu_ns) / switches;
	wait_end(y->bench, begin + all);
	usleep(REST_US); /* the last ones block */
	return (double)(to.calls - from.calls) / switches;
}
