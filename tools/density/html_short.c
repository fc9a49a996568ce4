/* SPDX-License-Identifier: MIT */
#include "html_short.h"

#include <stdbool.h>

#include "html.h"
#include "metrics.h"

/* How a figure is put into words: `before` VALUE `behind`. */
static const struct words {
	const char *metric, *before, *behind, *times;
} words[] = {
	{"memory_total_kib", "", " KiB of memory for each, the kernel's included", "the memory"},
	{"spawn_p50_us", "", " us to spawn one more", "the time to spawn one"},
	{"requests_per_s", "", " requests answered a second", "the requests a second"},
	{"latency_p99_us", "99 % of requests within ", " us", "the latency of requests (99 %)"},
	{"echo_p99_us", "99 % of echoes within ", " us", "the latency of echoes (99 %)"},
	{"late_p99_us", "99 % of timers at most ", " us late", "the lateness of timers (99 %)"},
	{"fairness_error", "no share of the CPU further from the fair one than ", " of it", "the unfairness"},
	{"churn_per_s", "", " guests replaced a second", "the guests replaced a second"},
};
#define WORDS (sizeof words / sizeof *words)

/* A step's median. False: there is none. */
static bool median(const json_t *step, const char *metric, double *value)
{
	const json_t *figure = json_object_get(json_object_get(step, "metrics"), metric);
	*value = json_number_value(json_object_get(figure, "median"));
	return figure != NULL;
}

static const json_t *last_step(const json_t *system)
{
	const json_t *summary = json_object_get(system, "summary");
	size_t n = json_array_size(summary);
	return n ? json_array_get(summary, n - 1) : NULL;
}

static json_int_t guests_of(const json_t *step)
{
	return json_integer_value(json_object_get(step, "guests"));
}

static void name(FILE *f, const json_t *system)
{
	fputs("<b>", f);
	html_text(f, json_string_value(json_object_get(system, "name")));
	fputs("</b>", f);
}

static void sentence(FILE *f, const json_t *system)
{
	const json_t *step = last_step(system);
	const char *separator = ": ";
	char text[32];
	double value;
	fputs("<li>", f);
	name(f, system);
	if (!step) {
		fputs(" has not been measured.</li>\n", f);
		return;
	}
	fprintf(f, " was measured with up to %s guests, and there", metric_text((double)guests_of(step), text));
	for (size_t i = 0; i < WORDS; i++) {
		if (!median(step, words[i].metric, &value))
			continue;
		fprintf(f, "%s%s%s%s", separator, words[i].before, metric_text(value, text), words[i].behind);
		separator = "; ";
	}
	fputs(".</li>\n", f);
}

/* The step of b with as many guests as the largest of a's that b has too. */
static bool common_step(const json_t *a, const json_t *b, const json_t **of_a, const json_t **of_b)
{
	const json_t *x = json_object_get(a, "summary"), *y = json_object_get(b, "summary");
	for (size_t i = json_array_size(x); i-- > 0;) {
		for (size_t k = 0; k < json_array_size(y); k++) {
			*of_a = json_array_get(x, i);
			*of_b = json_array_get(y, k);
			if (guests_of(*of_a) == guests_of(*of_b))
				return true;
		}
	}
	return false;
}

static void ratios(FILE *f, const json_t *first, const json_t *system)
{
	const json_t *ours, *theirs;
	const char *separator = " has ";
	char text[32];
	double a, b;
	if (!common_step(first, system, &ours, &theirs))
		return;
	fprintf(f, "<li>With %s guests, ", metric_text((double)guests_of(ours), text));
	name(f, first);
	for (size_t i = 0; i < WORDS; i++) {
		if (!median(ours, words[i].metric, &a) || !median(theirs, words[i].metric, &b) || !(b > 0))
			continue;
		fprintf(f, "%s%s times %s", separator, metric_text(a / b, text), words[i].times);
		separator = ", ";
	}
	fputs(" of ", f);
	name(f, system);
	fputs(".</li>\n", f);
}

void html_short(FILE *f, const json_t *systems)
{
	size_t i;
	json_t *system;
	fputs("<h2>In short</h2>\n<ul>\n", f);
	json_array_foreach (systems, i, system)
		sentence(f, system);
	json_array_foreach (systems, i, system)
		if (i)
			ratios(f, json_array_get(systems, 0), system);
	fputs("</ul>\n", f);
}
