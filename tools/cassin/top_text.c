/* SPDX-License-Identifier: MIT */
/* Columns and totals as text. */
#include <stdio.h>

#include "answer.h"
#include "table.h"
#include "top.h"
#include "units.h"

const struct top_head top_heads[TOP_COLUMNS] = {
	[COLUMN_NAME] = {"NAME", "name", 'n', 16},       [COLUMN_STATE] = {"STATE", "state", 's', 8},
	[COLUMN_CPU] = {">CPU%", "cpu", 'c', 5},         [COLUMN_MEMORY] = {">MEMORY", "memory", 'm', 8},
	[COLUMN_EXITS] = {">EXITS/S", "exits", 'e', 7},  [COLUMN_ACCEPTED] = {">ACCEPT/S", "accepted", 'a', 8},
	[COLUMN_IN] = {">IN/S", "in", 'i', 8},           [COLUMN_OUT] = {">OUT/S", "out", 'o', 8},
	[COLUMN_UPTIME] = {">UPTIME", "uptime", 'u', 8},
};

/* A rate that takes at most seven characters below 10^7. */
static void format_rate(char out[TOP_CELL], const struct top_sample *s, double rate)
{
	if (!s->span)
		snprintf(out, TOP_CELL, "-");
	else
		snprintf(out, TOP_CELL, rate > 0 && rate < 99.95 ? "%.1f" : "%.0f", rate);
}

static void format_bytes(char out[TOP_CELL], const struct top_sample *s, double rate)
{
	char units[UNITS_MAX];
	snprintf(out, TOP_CELL, "%s", !s->span ? "-" : rate > 0 ? units_size(units, (uint64_t)rate) : "0");
}

void top_cell(char out[TOP_CELL], enum top_column column, const struct top_sample *s, const struct top_guest *g)
{
	char units[UNITS_MAX];
	switch (column) {
	case COLUMN_STATE:
		snprintf(out, TOP_CELL, "%s", s->states[g->state].name);
		return;
	case COLUMN_CPU:
		format_rate(out, s, 100 * g->rates[TOP_CPU]);
		return;
	case COLUMN_MEMORY:
		snprintf(out, TOP_CELL, "%s", units_size(units, g->used_bytes));
		return;
	case COLUMN_EXITS:
		format_rate(out, s, g->rates[TOP_EXITS]);
		return;
	case COLUMN_ACCEPTED:
		format_rate(out, s, g->rates[TOP_ACCEPTED]);
		return;
	case COLUMN_IN:
		format_bytes(out, s, g->rates[TOP_IN]);
		return;
	case COLUMN_OUT:
		format_bytes(out, s, g->rates[TOP_OUT]);
		return;
	case COLUMN_UPTIME:
		snprintf(out, TOP_CELL, "%s", g->uptime_ns ? units_time(units, g->uptime_ns) : "-");
		return;
	case COLUMN_NAME:
	case TOP_COLUMNS:
		break;
	}
	snprintf(out, TOP_CELL, "%s", g->name);
}

void top_totals(char out[TOP_TOTALS][TOP_LINE], const struct top_sample *s)
{
	char used[UNITS_MAX], pool[UNITS_MAX], up[UNITS_MAX], in[TOP_CELL], sent[TOP_CELL], daemon[32] = "";
	int n = snprintf(out[0], TOP_LINE, "%zu guest%s%s", s->count, s->count == 1 ? "" : "s", s->count ? ": " : "");
	for (unsigned i = 0; i < s->nstates && n < TOP_LINE; i++)
		n += snprintf(out[0] + n, TOP_LINE - (size_t)n, "%s%zu %s", i ? ", " : "", s->states[i].count,
			      s->states[i].name);
	if (n < TOP_LINE)
		snprintf(out[0] + n, TOP_LINE - (size_t)n, "; up %s", units_time(up, s->uptime_ns));
	if (s->daemon_ns)
		snprintf(daemon, sizeof daemon, ", daemon %.1f%%", 100 * s->daemon_cpu);
	snprintf(out[1], TOP_LINE, "CPU: guests %.1f%%%s, %llu worker%s; pool: %s of %s (%.1f%%)",
		 100 * s->sums[TOP_CPU], daemon, (unsigned long long)s->workers, s->workers == 1 ? "" : "s",
		 units_size(used, s->used_bytes), units_size(pool, s->pool_bytes),
		 s->pool_bytes ? 100 * (double)s->used_bytes / (double)s->pool_bytes : 0);
	format_bytes(in, s, s->sums[TOP_IN]);
	format_bytes(sent, s, s->sums[TOP_OUT]);
	snprintf(out[2], TOP_LINE, "each second: %.0f exits, %.0f switches, %.1f accepted, %s in, %s out", s->exit_rate,
		 s->switch_rate, s->sums[TOP_ACCEPTED], in, sent);
}

void top_print(const struct top_view *v, const struct top_sample *s)
{
	const char *heads[TOP_COLUMNS + 1] = {NULL};
	char lines[TOP_TOTALS][TOP_LINE];
	struct table t;
	top_totals(lines, s);
	for (int i = 0; i < TOP_TOTALS; i++)
		puts(lines[i]);
	putchar('\n');
	for (int i = 0; i < TOP_COLUMNS; i++)
		heads[i] = top_heads[i].head;
	table_init(&t, heads);
	for (size_t row = 0; row < v->nrows; row++) {
		char cells[TOP_COLUMNS][TOP_CELL];
		const char *texts[TOP_COLUMNS] = {v->rows[row]->name};
		for (enum top_column i = COLUMN_STATE; i < TOP_COLUMNS; i++) {
			top_cell(cells[i], i, s, v->rows[row]);
			texts[i] = cells[i];
		}
		table_row(&t, texts);
	}
	table_print(&t);
}

static json_t *guest_json(const struct top_sample *s, const struct top_guest *g)
{
	return json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:f, s:f, s:f, s:f, s:f}", "id", (json_int_t)g->id,
			 "name", g->name, "domain", g->domain, "state", s->states[g->state].name, "restarts",
			 (json_int_t)g->restarts, "uptime_ns", (json_int_t)g->uptime_ns, "used_bytes",
			 (json_int_t)g->used_bytes, "memory_bytes", (json_int_t)g->memory_bytes, "cpu",
			 g->rates[TOP_CPU], "exits_per_s", g->rates[TOP_EXITS], "accepted_per_s",
			 g->rates[TOP_ACCEPTED], "bytes_in_per_s", g->rates[TOP_IN], "bytes_out_per_s",
			 g->rates[TOP_OUT]);
}

void top_print_json(const struct top_view *v, const struct top_sample *s)
{
	json_t *states = json_object(), *guests = json_array();
	for (unsigned i = 0; i < s->nstates; i++)
		json_object_set_new(states, s->states[i].name, json_integer((json_int_t)s->states[i].count));
	for (size_t i = 0; i < v->nrows; i++)
		json_array_append_new(guests, guest_json(s, v->rows[i]));
	json_t *daemon = s->daemon_ns ? json_real(s->daemon_cpu) : json_null();
	json_t *totals = json_pack("{s:I, s:o, s:I, s:I, s:I, s:I, s:f, s:o, s:f, s:f, s:f, s:f, s:f}", "guests",
				   (json_int_t)s->count, "states", states, "workers", (json_int_t)s->workers,
				   "uptime_ns", (json_int_t)s->uptime_ns, "pool_bytes", (json_int_t)s->pool_bytes,
				   "used_bytes", (json_int_t)s->used_bytes, "guests_cpu", s->sums[TOP_CPU],
				   "daemon_cpu", daemon, "exits_per_s", s->exit_rate, "switches_per_s", s->switch_rate,
				   "accepted_per_s", s->sums[TOP_ACCEPTED], "bytes_in_per_s", s->sums[TOP_IN],
				   "bytes_out_per_s", s->sums[TOP_OUT]);
	json_t *all = json_pack("{s:I, s:o, s:o}", "interval_ns", (json_int_t)s->span, "totals", totals, "guests",
				guests);
	answer_print(all);
	json_decref(all);
}
