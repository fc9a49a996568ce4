/* SPDX-License-Identifier: MIT */
#include "html.h"

#include <stdlib.h>
#include <string.h>

#include "html_charts.h"
#include "html_short.h"
#include "html_style.h"
#include "metrics.h"

void html_text(FILE *f, const char *text)
{
	for (; text && *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '&':
			fputs("&amp;", f);
			break;
		case '"':
			fputs("&quot;", f);
			break;
		default:
			fputc(*text, f);
		}
	}
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));
	return text ? text : "";
}

static double number_of(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static void head(FILE *f, const json_t *r)
{
	const json_t *settings = json_object_get(r, "settings");
	const char *ended = text_of(r, "ended");
	fputs("<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width\"><title>",
	      f);
	html_text(f, text_of(r, "title"));
	fprintf(f, "</title>\n<style>%s</style></head>\n<body>\n<h1>", html_style);
	html_text(f, text_of(r, "title"));
	fputs("</h1>\n<p class=\"lead\">", f);
	html_text(f, text_of(json_object_get(r, "scenario"), "description"));
	fputs("</p>\n", f);
	if (!json_is_true(json_object_get(r, "complete"))) {
		fputs("<p class=\"warning\">This report is partial: ", f);
		html_text(f, ended);
		fputs(".</p>\n", f);
	}
	fprintf(f,
		"<p>Scenario <code>%s</code>, Cassin %s, %s, %.0f s. Measured %g s at each step after %g s of warm-up; "
		"%.0f run%s of the whole ramp.</p>\n",
		text_of(json_object_get(r, "scenario"), "name"), text_of(r, "cassin"), text_of(r, "started"),
		number_of(r, "elapsed_s"), number_of(settings, "measure_s"), number_of(settings, "warmup_s"),
		number_of(settings, "runs"), number_of(settings, "runs") > 1 ? "s" : "");
}

/* How one run ended, in words. */
static void run_row(FILE *f, const char *name, size_t number, const json_t *run)
{
	const char *ended = text_of(run, "ended");
	fputs("<tr><td>", f);
	html_text(f, name);
	fprintf(f, "</td><td>%zu</td><td class=\"n\">%.0f</td><td>", number, number_of(run, "reached"));
	if (!strcmp(ended, "complete"))
		fputs("all of the ramp", f);
	else if (!strcmp(ended, "memory"))
		fputs("stopped before the host or the pool was short of memory", f);
	else
		html_text(f, ended);
	if (*text_of(run, "why")) {
		fputs(": ", f);
		html_text(f, text_of(run, "why"));
	}
	fputs("</td></tr>\n", f);
}

static void runs_table(FILE *f, const json_t *systems)
{
	size_t i, k;
	json_t *system, *run;
	fputs("<h2>How far it got</h2>\n<table><tr><th>System</th><th>Run</th><th "
	      "class=\"n\">Guests</th><th>End</th></tr>\n",
	      f);
	json_array_foreach (systems, i, system)
		json_array_foreach (json_object_get(system, "runs"), k, run)
			run_row(f, text_of(system, "name"), k + 1, run);
	fputs("</table>\n", f);
	json_array_foreach (systems, i, system) {
		if (!*text_of(system, "command"))
			continue;
		const char *command = text_of(system, "command");
		fputs("<p>", f);
		html_text(f, text_of(system, "name"));
		fputs(" is one process for each guest: <code>", f);
		html_text(f, command);
		fputs("</code></p>\n", f);
	}
}

static void figure_cell(FILE *f, const json_t *figure)
{
	char middle[32], low[32], high[32];
	if (!figure) {
		fputs("<td></td>", f);
		return;
	}
	metric_text(number_of(figure, "median"), middle);
	metric_text(number_of(figure, "min"), low);
	metric_text(number_of(figure, "max"), high);
	fprintf(f, "<td class=\"n\">%s", middle);
	if (strcmp(low, high) != 0)
		fprintf(f, "<br><small>%s to %s</small>", low, high);
	fputs("</td>", f);
}

static void metric_row(FILE *f, const struct metric *m, const json_t *summary)
{
	size_t i, n = 0;
	json_t *step;
	json_array_foreach (summary, i, step)
		n += json_object_get(json_object_get(step, "metrics"), m->name) != NULL;
	if (!n)
		return;
	fputs("<tr><td>", f);
	if (m->chart)
		fprintf(f, "%s: ", m->chart);
	html_text(f, m->title);
	fprintf(f, "</td><td>%s</td>", m->unit);
	json_array_foreach (summary, i, step)
		figure_cell(f, json_object_get(json_object_get(step, "metrics"), m->name));
	fputs("</tr>\n", f);
}

static void figures(FILE *f, const json_t *systems)
{
	size_t i, k;
	json_t *system, *step;
	char text[32];
	fputs("<h2>All figures</h2>\n<p>Medians of the runs; below them the least and the largest.</p>\n", f);
	json_array_foreach (systems, i, system) {
		const json_t *summary = json_object_get(system, "summary");
		if (!json_array_size(summary))
			continue;
		fputs("<h3>", f);
		html_text(f, text_of(system, "name"));
		fputs("</h3>\n<div class=\"wide\"><table><tr><th>Guests</th><th></th>", f);
		json_array_foreach (summary, k, step)
			fprintf(f, "<th class=\"n\">%s</th>", metric_text(number_of(step, "guests"), text));
		fputs("</tr>\n", f);
		for (size_t m = 0; m < metric_count; m++)
			metric_row(f, &metrics[m], summary);
		fputs("</table></div>\n", f);
	}
}

static void setting(FILE *f, const char *key, const json_t *value)
{
	fputs("<tr><td>", f);
	html_text(f, key);
	fputs("</td><td>", f);
	if (json_is_string(value))
		html_text(f, json_string_value(value));
	else
		fprintf(f, "%lld", json_integer_value(value));
	fputs("</td></tr>\n", f);
}

static void host(FILE *f, const json_t *settings)
{
	const char *key, *name;
	json_t *value, *mitigation;
	fputs("<h2>Host</h2>\n<p>These settings are known to move such figures; compare reports of hosts that have the "
	      "same. "
	      "With <code>nx_huge_pages</code> on, KVM keeps a task for each virtual machine and splits huge pages; "
	      "without "
	      "<code>favordynmods</code>, moving processes between control groups is slow; huge pages change what a "
	      "touched "
	      "page costs; mitigations make each exit and system call dearer.</p>\n<table>\n",
	      f);
	json_object_foreach ((json_t *)settings, key, value) {
		if (!json_is_object(value)) {
			setting(f, key, value);
			continue;
		}
		json_object_foreach (value, name, mitigation) {
			char whole[96];
			snprintf(whole, sizeof whole, "%.40s: %.48s", key, name);
			setting(f, whole, mitigation);
		}
	}
	fputs("</table>\n", f);
}

static void errors(FILE *f, const json_t *systems)
{
	size_t i, k, n;
	json_t *system, *run, *step;
	json_array_foreach (systems, i, system)
		json_array_foreach (json_object_get(system, "runs"), k, run)
			json_array_foreach (json_object_get(run, "steps"), n, step) {
				const json_t *m = json_object_get(step, "metrics");
				if (!(number_of(m, "errors") > 0))
					continue;
				fprintf(f,
					"<p class=\"warning\">%s, run %zu, %.0f guests: %.0f requests failed; the "
					"first: ",
					text_of(system, "name"), k + 1, number_of(step, "guests"),
					number_of(m, "errors"));
				html_text(f, text_of(m, "first_error"));
				fputs("</p>\n", f);
			}
}

static void foot(FILE *f, const json_t *r)
{
	char *scenario = json_dumps(json_object_get(r, "scenario"), JSON_INDENT(2));
	fputs("<h2>What the figures mean</h2>\n<ul>\n"
	      "<li>Memory per guest is what was added since the system stood without guests, over their number. Shared "
	      "image "
	      "pages are counted once.</li>\n"
	      "<li>Latency begins when a request should have gone out (with a rate) or when its connection is begun "
	      "(without), "
	      "and ends with the last byte of the answer.</li>\n"
	      "<li>A step's figures are of all its guests, the load client runs on the same host and takes its share "
	      "of the "
	      "CPUs: see CPU by role. Where &quot;Rest of the host&quot; is large, other programs ran too.</li>\n"
	      "<li>Bands and small figures show the spread of the runs.</li>\n</ul>\n"
	      "<details><summary>The scenario</summary><pre>",
	      f);
	html_text(f, scenario);
	fputs("</pre></details>\n</body></html>\n", f);
	free(scenario);
}

void html_write(FILE *f, const json_t *results)
{
	const json_t *systems = json_object_get(results, "systems");
	head(f, results);
	errors(f, systems);
	html_short(f, systems);
	html_charts(f, systems);
	runs_table(f, systems);
	figures(f, systems);
	host(f, json_object_get(results, "host"));
	foot(f, results);
}
