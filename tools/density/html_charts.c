/* SPDX-License-Identifier: MIT */
#include "html_charts.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "metrics.h"
#include "plot.h"

#define BARS_MAX 128

static double figure_of(const json_t *step, const char *metric, const char *which)
{
	return json_number_value(json_object_get(json_object_get(json_object_get(step, "metrics"), metric), which));
}

static bool has(const json_t *step, const char *metric)
{
	return json_object_get(json_object_get(step, "metrics"), metric) != NULL;
}

/* One metric of one system, over the number of guests. False: it was not measured. */
static bool take_series(const json_t *system, const struct metric *m, struct plot_series *s)
{
	size_t i;
	json_t *step;
	s->count = 0;
	json_array_foreach (json_object_get(system, "summary"), i, step) {
		unsigned n = s->count;
		if (!has(step, m->name) || n == PLOT_POINTS_MAX)
			continue;
		s->x[n] = json_number_value(json_object_get(step, "guests"));
		s->middle[n] = figure_of(step, m->name, "median");
		s->low[n] = figure_of(step, m->name, "min");
		s->high[n] = figure_of(step, m->name, "max");
		s->count++;
	}
	return s->count > 0;
}

/* Metrics from `first` on that stand in one chart: colours are the metrics', dashes the systems', unless there is but
 * one metric. */
static void chart(FILE *f, const json_t *systems, size_t first, size_t end)
{
	struct plot_series *series = calloc(PLOT_SERIES_MAX, sizeof *series);
	size_t n = 0, i;
	json_t *system;
	const char *title = metrics[first].chart ? metrics[first].chart : metrics[first].title;
	for (size_t m = first; series && m < end; m++) {
		json_array_foreach (systems, i, system) {
			const char *name = json_string_value(json_object_get(system, "name"));
			bool alone = end - first == 1;
			if (n == PLOT_SERIES_MAX || !take_series(system, &metrics[m], &series[n]))
				continue;
			snprintf(series[n].name, sizeof series[n].name, "%s%s%s", name, alone ? "" : ": ",
				 alone ? "" : metrics[m].title);
			series[n].colour = (unsigned)(alone ? i : m - first);
			series[n].dash = (unsigned)(alone ? 0 : i);
			n++;
		}
	}
	bool any = false;
	for (size_t k = 0; k < n; k++)
		for (unsigned point = 0; point < series[k].count; point++)
			any |= series[k].high[point] > 0;
	if (any) /* a chart of nothing but zeros says less than the table */
		plot_lines(f, title, metrics[first].unit, series, n);
	free(series);
}

static const char *const memory_kinds[] = {"memory_pages_kib",      "memory_shared_kib",    "memory_tables_kib",
					   "memory_hypervisor_kib", "memory_processes_kib", "memory_kernel_kib"};
static const char *const memory_names[] = {"guest pages", "shared image pages",    "page tables",
					   "hypervisor",  "processes (their PSS)", "kernel"};
#define MEMORY_KINDS (sizeof memory_kinds / sizeof *memory_kinds)

/* Adds the bars of all systems at one number of guests. */
static size_t add_bars(const json_t *systems, json_int_t guests, struct plot_bar *bars, size_t n)
{
	size_t i, k;
	json_t *system, *step;
	json_array_foreach (systems, i, system) {
		json_array_foreach (json_object_get(system, "summary"), k, step) {
			struct plot_bar *b = &bars[n];
			if (n == BARS_MAX || json_integer_value(json_object_get(step, "guests")) != guests)
				continue;
			metric_text((double)guests, b->group);
			snprintf(b->name, sizeof b->name, "%s", json_string_value(json_object_get(system, "name")));
			b->count = MEMORY_KINDS;
			for (size_t m = 0; m < MEMORY_KINDS; m++)
				b->part[m] = figure_of(step, memory_kinds[m], "median");
			n++;
		}
	}
	return n;
}

static void memory_chart(FILE *f, const json_t *systems)
{
	struct plot_bar *bars = calloc(BARS_MAX, sizeof *bars);
	size_t i, k, n = 0;
	json_t *system, *step;
	json_int_t done = 0;
	for (bool more = bars; more;) {
		json_int_t next = 0;
		json_array_foreach (systems, i, system)
			json_array_foreach (json_object_get(system, "summary"), k, step) {
				json_int_t guests = json_integer_value(json_object_get(step, "guests"));
				if (guests > done && (!next || guests < next))
					next = guests;
			}
		more = next > 0;
		done = next;
		if (more)
			n = add_bars(systems, next, bars, n);
	}
	if (n)
		plot_stacks(f,
			    json_array_size(systems) > 1 ? "Memory per guest by kind, the systems side by side"
							 : "Memory per guest by kind",
			    "KiB", bars, n, memory_names, MEMORY_KINDS);
	free(bars);
}

void html_charts(FILE *f, const json_t *systems)
{
	fputs("<h2>Plots</h2>\n<div class=\"charts\">\n", f);
	memory_chart(f, systems);
	for (size_t m = 0; m < metric_count; m++) {
		size_t end = m + 1;
		while (metrics[m].chart && end < metric_count && metrics[end].chart &&
		       !strcmp(metrics[end].chart, metrics[m].chart) && !strcmp(metrics[end].unit, metrics[m].unit))
			end++;
		if (strncmp(metrics[m].name, "memory_", 7) != 0)
			chart(f, systems, m, end);
		m = end - 1;
	}
	fputs("</div>\n", f);
}
