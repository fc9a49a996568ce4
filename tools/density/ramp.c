/* SPDX-License-Identifier: MIT */
#include "ramp.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../common/command.h"
#include "metrics.h"
#include "results.h"
#include "window.h"

#define FIRST_SPAWN_S 0.001 /* until one has been measured */
#define STEP_OWN_S 0.2      /* starting, counting, writing */

static double step_seconds(const struct lab *lab, unsigned from, unsigned to)
{
	const struct scenario *s = &lab->scenario;
	return s->warmup_s + s->measure_s + STEP_OWN_S + (to - from) * lab->spawn_s;
}

static double run_seconds(const struct lab *lab)
{
	double sum = 0;
	for (unsigned i = 0; i < lab->scenario.step_count; i++)
		sum += step_seconds(lab, i ? lab->scenario.steps[i - 1] : 0, lab->scenario.steps[i]);
	return sum;
}

/* What the guests so far took of the host's memory tells whether the next step would take too much. */
static int foresee(struct system *s, const struct window_base *base, unsigned guests)
{
	struct host_memory now;
	host_memory_read(&now);
	double kernel, group = memgroup_kib(&s->memory, &kernel) - base->group;
	double taken = isnan(group) ? base->host.available - now.available : group;
	double each = s->guests ? taken / s->guests : 0;
	double left = now.available - each * (guests - s->guests);
	if (each <= 0 || left >= s->lab->reserve_kib)
		return 0;
	system_failed(s, "%u guests would leave %.0f MiB of the host's memory, and %.0f MiB are to stay", guests,
		      left / 1024, s->lab->reserve_kib / 1024);
	return -ENOMEM;
}

static void tell_step(struct system *s, unsigned run, const json_t *step)
{
	static const char *const shown[] = {"memory_total_kib", "memory_host_kib", "spawn_p50_us",
					    "requests_per_s",   "latency_p99_us",  "echo_p99_us",
					    "late_p99_us",      "fairness_error",  "churn_per_s"};
	char text[32];
	bar_clear(&s->lab->bar);
	printf("%-10s run %u  %7u guests", s->name, run, s->guests);
	for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
		const json_t *v = json_object_get(json_object_get(step, "metrics"), shown[i]);
		const char *name = shown[i];
		for (size_t m = 0; v && m < metric_count; m++)
			if (!strcmp(metrics[m].name, name))
				printf("  %s %s", name, metric_text(json_number_value(v), text));
	}
	putchar('\n');
	fflush(stdout);
}

/* Grows to one step and measures there. A step that memory ended is measured at what it reached. */
static int step_run(struct system *s, json_t *steps, const struct window_base *base, unsigned guests, unsigned run)
{
	unsigned before = s->guests;
	json_t *into = json_object();
	bar_step(&s->lab->bar, step_seconds(s->lab, before, guests));
	int grown = s->calls->grow(s, guests, into);
	if (grown < 0 && (grown != -ENOMEM || s->guests <= before)) {
		json_decref(into);
		return grown;
	}
	char why[sizeof s->why];
	memcpy(why, s->why, sizeof why);
	bar_say(&s->lab->bar, "%s, run %u: %u guests measured", s->name, run, s->guests);
	int result = window_measure(s, base, into);
	json_t *step = json_pack("{s:i, s:O}", "guests", (int)s->guests, "metrics", into);
	if (result == 0) {
		json_array_append(steps, step);
		tell_step(s, run, step);
		results_write(s->lab, NULL);
	}
	json_decref(step);
	json_decref(into);
	bar_step_done(&s->lab->bar);
	if (result == 0 && grown < 0)
		memcpy(s->why, why, sizeof why);
	return result < 0 ? result : grown;
}

static int run_steps(struct system *s, json_t *steps, unsigned run)
{
	const struct scenario *scenario = &s->lab->scenario;
	struct window_base base;
	int result = s->calls->start(s);
	if (result == 0)
		result = window_base(s, &base);
	for (unsigned i = 0; result == 0 && i < scenario->step_count; i++) {
		result = foresee(s, &base, scenario->steps[i]);
		if (result == 0)
			result = step_run(s, steps, &base, scenario->steps[i], run);
	}
	return result;
}

/* The guests of the last step that was measured. */
static unsigned reached(const json_t *steps)
{
	size_t n = json_array_size(steps);
	return n ? (unsigned)json_integer_value(json_object_get(json_array_get(steps, n - 1), "guests")) : 0;
}

static int run_once(struct under_test *u, unsigned run)
{
	struct system *s = u->system;
	json_t *steps = json_array(),
	       *entry = json_pack("{s:O, s:s, s:s}", "steps", steps, "ended", "running", "why", "");
	const char *ended = "complete";
	json_array_append_new(json_object_get(u->entry, "runs"), entry);
	*s->why = '\0';
	memgroup_make(&s->memory);
	int result = run_steps(s, steps, run);
	s->calls->stop(s);
	memgroup_remove(&s->memory);
	bar_clear(&s->lab->bar);
	if (result == -EINTR)
		ended = "interrupted";
	else if (result == -ENOMEM)
		ended = "memory";
	else if (result < 0)
		ended = "failed";
	if (result == -ENOMEM)
		printf("%s stops at %u guests: %s\n", s->name, reached(steps), s->why);
	else if (result < 0 && result != -EINTR)
		command_failed("%s, run %u, after %u guests: %s", s->name, run, reached(steps), s->why);
	json_object_set_new(entry, "ended", json_string(ended));
	json_object_set_new(entry, "why", json_string(result < 0 && result != -EINTR ? s->why : ""));
	json_object_set_new(entry, "reached", json_integer((json_int_t)reached(steps)));
	json_decref(steps);
	return result;
}

const char *ramp_run(struct lab *lab, struct under_test *under, size_t count)
{
	const char *ended = "complete";
	bool failed = false;
	lab->spawn_s = FIRST_SPAWN_S;
	bar_start(&lab->bar, !lab->progress, run_seconds(lab) * lab->scenario.runs * (double)count);
	for (unsigned run = 1; run <= lab->scenario.runs && !lab_interrupted; run++) {
		for (size_t i = 0; i < count && !lab_interrupted; i++) {
			double from = lab->bar.done_s, planned = run_seconds(lab);
			int result = under[i].failed ? 0 : run_once(&under[i], run);
			under[i].failed |= result < 0 && result != -ENOMEM;
			failed |= under[i].failed;
			lab->bar.done_s = from + planned;
			lab->bar.all_s = lab->bar.done_s +
					 run_seconds(lab) *
						 (double)((lab->scenario.runs - run) * count + count - i - 1);
			results_write(lab, NULL);
		}
	}
	if (lab_interrupted)
		ended = "interrupted";
	else if (failed)
		ended = "a system failed";
	return results_write(lab, ended) < 0 ? "the report could not be written" : ended;
}
