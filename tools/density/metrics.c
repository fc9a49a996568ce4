/* SPDX-License-Identifier: MIT */
#include "metrics.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHART_SPAWN "Spawning"
#define CHART_MEMORY "Memory per guest"
#define CHART_RATE "Throughput"
#define CHART_LATENCY "Latency of requests"
#define CHART_ECHO "Latency of the interactive guest"
#define CHART_LATE "Lateness of timers"
#define CHART_FAIR "Fairness of CPU shares"
#define CHART_SWITCH "Exits and switches"
#define CHART_CPU "CPU by role"
#define CHART_CHURN "Removal and spawn of one guest"
#define CHART_LEAK "What is left after churn"

const struct metric metrics[] = {
	{"spawn_p50_us", "Spawn, median", "us", BETTER_LOWER, CHART_SPAWN},
	{"spawn_p99_us", "Spawn, 99 %", "us", BETTER_LOWER, CHART_SPAWN},
	{"spawn_per_s", "Spawned in batches", "1/s", BETTER_HIGHER, NULL},
	{"memory_total_kib", "All, by the control group", "KiB", BETTER_LOWER, CHART_MEMORY},
	{"memory_host_kib", "All that the host lost, whoever took it", "KiB", BETTER_LOWER, NULL},
	{"memory_pages_kib", "Guest pages", "KiB", BETTER_LOWER, CHART_MEMORY},
	{"memory_shared_kib", "Shared image pages", "KiB", BETTER_LOWER, CHART_MEMORY},
	{"memory_tables_kib", "Page tables", "KiB", BETTER_LOWER, CHART_MEMORY},
	{"memory_hypervisor_kib", "Hypervisor's own", "KiB", BETTER_LOWER, CHART_MEMORY},
	{"memory_processes_kib", "Processes (PSS)", "KiB", BETTER_LOWER, CHART_MEMORY},
	{"memory_kernel_kib", "Kernel's", "KiB", BETTER_LOWER, CHART_MEMORY},
	{"requests_per_s", "Requests answered", "1/s", BETTER_HIGHER, CHART_RATE},
	{"latency_p50_us", "Median", "us", BETTER_LOWER, CHART_LATENCY},
	{"latency_p90_us", "90 %", "us", BETTER_LOWER, CHART_LATENCY},
	{"latency_p99_us", "99 %", "us", BETTER_LOWER, CHART_LATENCY},
	{"latency_p999_us", "99.9 %", "us", BETTER_LOWER, CHART_LATENCY},
	{"latency_max_us", "Largest latency", "us", BETTER_LOWER, NULL},
	{"errors", "Requests that failed", "", BETTER_LOWER, NULL},
	{"echo_per_s", "Echoes", "1/s", BETTER_HIGHER, NULL},
	{"echo_p50_us", "Median", "us", BETTER_LOWER, CHART_ECHO},
	{"echo_p99_us", "99 %", "us", BETTER_LOWER, CHART_ECHO},
	{"echo_max_us", "Largest latency of an echo", "us", BETTER_LOWER, NULL},
	{"echo_p99_slices", "Latency of an echo, 99 %", "slices", BETTER_LOWER, NULL},
	{"late_p50_us", "Median", "us", BETTER_LOWER, CHART_LATE},
	{"late_p99_us", "99 %", "us", BETTER_LOWER, CHART_LATE},
	{"late_max_us", "Largest lateness", "us", BETTER_LOWER, NULL},
	{"fairness_error", "Largest relative error of a share", "", BETTER_LOWER, CHART_FAIR},
	{"fairness_index", "Jain's index", "", BETTER_HIGHER, NULL},
	{"exits_per_s", "Exits", "1/s", BETTER_NEITHER, CHART_SWITCH},
	{"hypercalls_per_s", "Hypercalls", "1/s", BETTER_NEITHER, CHART_SWITCH},
	{"switches_per_s", "Switches between guests", "1/s", BETTER_NEITHER, CHART_SWITCH},
	{"preemptions_per_s", "Slices used up", "1/s", BETTER_NEITHER, CHART_SWITCH},
	{"cpu_guest", "In guests", "cores", BETTER_NEITHER, CHART_CPU},
	{"cpu_hypervisor", "Hypervisor", "cores", BETTER_LOWER, CHART_CPU},
	{"cpu_processes", "Processes", "cores", BETTER_LOWER, CHART_CPU},
	{"cpu_load", "Load client", "cores", BETTER_NEITHER, CHART_CPU},
	{"cpu_other", "Rest of the host", "cores", BETTER_NEITHER, CHART_CPU},
	{"churn_per_s", "Guests replaced", "1/s", BETTER_HIGHER, NULL},
	{"churn_p50_us", "Median", "us", BETTER_LOWER, CHART_CHURN},
	{"churn_p99_us", "99 %", "us", BETTER_LOWER, CHART_CHURN},
	{"churn_frames", "Frames in use, more than before", "frames", BETTER_LOWER, CHART_LEAK},
	{"churn_descriptors", "Descriptors, more than before", "", BETTER_LOWER, CHART_LEAK},
	{"churn_resident_kib", "The daemon's memory, more than before", "KiB", BETTER_LOWER, CHART_LEAK},
};
const size_t metric_count = sizeof metrics / sizeof *metrics;

void metric_set(json_t *into, const char *name, double value)
{
	if (isfinite(value))
		json_object_set_new(into, name, json_real(value));
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The figures that the runs have for one metric at one number of guests. Returns how many. */
static size_t collect(const json_t *runs, json_int_t guests, const char *name, double *values, size_t most)
{
	size_t i, k, n = 0;
	json_t *run, *step;
	json_array_foreach (runs, i, run) {
		json_array_foreach (json_object_get(run, "steps"), k, step) {
			const json_t *v = json_object_get(json_object_get(step, "metrics"), name);
			if (json_integer_value(json_object_get(step, "guests")) == guests && json_is_number(v) &&
			    n < most)
				values[n++] = json_number_value(v);
		}
	}
	qsort(values, n, sizeof *values, compare);
	return n;
}

static json_t *summarise(const json_t *runs, json_int_t guests)
{
	double values[100];
	size_t most = 0;
	json_t *of = json_object();
	for (size_t m = 0; m < metric_count; m++) {
		size_t n = collect(runs, guests, metrics[m].name, values, sizeof values / sizeof *values);
		if (!n)
			continue;
		most = n > most ? n : most;
		double median = n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
		json_object_set_new(
			of, metrics[m].name,
			json_pack("{s:f, s:f, s:f}", "median", median, "min", values[0], "max", values[n - 1]));
	}
	return json_pack("{s:I, s:I, s:o}", "guests", guests, "runs", (json_int_t)most, "metrics", of);
}

/* The steps' numbers of guests, each once and rising. */
static size_t counts(const json_t *runs, double *values, size_t most)
{
	size_t i, k, n = 0, kept = 0;
	json_t *run, *step;
	json_array_foreach (runs, i, run)
		json_array_foreach (json_object_get(run, "steps"), k, step)
			if (n < most)
				values[n++] = json_number_value(json_object_get(step, "guests"));
	qsort(values, n, sizeof *values, compare);
	for (i = 0; i < n; i++)
		if (!kept || values[i] > values[kept - 1])
			values[kept++] = values[i];
	return kept;
}

json_t *metrics_summary(const json_t *runs)
{
	enum { MOST = 4096 };
	double *guests = calloc(MOST, sizeof *guests);
	json_t *summary = json_array();
	size_t n = guests ? counts(runs, guests, MOST) : 0;
	for (size_t i = 0; i < n; i++)
		json_array_append_new(summary, summarise(runs, (json_int_t)guests[i]));
	free(guests);
	return summary;
}

const char *metric_text(double value, char text[32])
{
	double size = fabs(value);
	if (size < 1000 || size > 1e15) {
		snprintf(text, 32, "%.*f",
			 size == floor(size) || size >= 100 ? 0
			 : size >= 10                       ? 1
			 : size >= 0.1                      ? 2
							    : 4,
			 value);
		return text;
	}
	char digits[24];
	int n = snprintf(digits, sizeof digits, "%.0f", size), out = 0;
	if (value < 0)
		text[out++] = '-';
	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			text[out++] = ',';
		text[out++] = digits[i];
	}
	text[out] = '\0';
	return text;
}
