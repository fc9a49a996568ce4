/* SPDX-License-Identifier: MIT */
/* Records of a trace, counted by what they are. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "table.h"
#include "trace_view.h"
#include "units.h"

static struct trace_total *total_of(struct trace_total *all, size_t *n, const char *name)
{
	for (size_t i = 0; i < *n; i++) {
		if (!strcmp(all[i].name, name))
			return &all[i];
	}
	if (*n == TRACE_NAMES_MAX - 1)
		name = "others";
	if (*n == TRACE_NAMES_MAX)
		return &all[*n - 1];
	struct trace_total *t = &all[(*n)++];
	*t = (struct trace_total){.count = 0};
	snprintf(t->name, sizeof t->name, "%s", name);
	return t;
}

/* What begins is counted at once, as some calls do not return and some operations outlive the trace. */
void trace_totals_add(struct trace_totals *t, const json_t *event)
{
	const char *what = answer_text(event, "event");
	const char *call = json_string_value(json_object_get(event, "call"));
	const char *op = json_string_value(json_object_get(event, "op"));
	if (!strcmp(what, "lost"))
		t->lost += answer_number(event, "records");
	if (!call && !op)
		return;
	struct trace_total *total = call ? total_of(t->calls, &t->ncalls, call)
					 : total_of(t->operations, &t->noperations, op);
	if (!strcmp(what, "call") || !strcmp(what, "submit")) {
		total->count++;
	} else {
		total->errors += json_integer_value(json_object_get(event, "result")) < 0;
		total->ns += answer_number(event, "took_ns");
	}
}

static int by_time(const void *a, const void *b)
{
	const struct trace_total *one = a, *two = b;
	if (one->ns != two->ns)
		return one->ns < two->ns ? 1 : -1;
	return strcmp(one->name, two->name);
}

static void print_group(const char *head, struct trace_total *all, size_t n)
{
	const char *const heads[] = {head, ">COUNT", ">ERRORS", ">TOTAL", ">MEAN", NULL};
	struct table table;
	qsort(all, n, sizeof *all, by_time);
	table_init(&table, heads);
	for (size_t i = 0; i < n; i++) {
		char count[24], errors[24], total[UNITS_MAX], mean[UNITS_MAX];
		snprintf(count, sizeof count, "%llu", (unsigned long long)all[i].count);
		snprintf(errors, sizeof errors, "%llu", (unsigned long long)all[i].errors);
		units_time(total, all[i].ns);
		units_time(mean, all[i].count ? all[i].ns / all[i].count : 0);
		table_row(&table, (const char *const[]){all[i].name, count, errors, total, mean});
	}
	table_print(&table);
}

void trace_totals_print(struct trace_totals *t)
{
	print_group("CALL", t->calls, t->ncalls);
	putchar('\n');
	print_group("OPERATION", t->operations, t->noperations);
	if (t->lost)
		printf("\n%llu records lost: the totals are too low\n", (unsigned long long)t->lost);
}

static json_t *group_json(struct trace_total *all, size_t n)
{
	json_t *group = json_object();
	for (size_t i = 0; i < n; i++)
		json_object_set_new(group, all[i].name,
				    json_pack("{s:I, s:I, s:I}", "count", (json_int_t)all[i].count, "errors",
					      (json_int_t)all[i].errors, "total_ns", (json_int_t)all[i].ns));
	return group;
}

void trace_totals_json(struct trace_totals *t)
{
	json_t *o = json_pack("{s:o, s:o, s:I}", "calls", group_json(t->calls, t->ncalls), "operations",
			      group_json(t->operations, t->noperations), "lost", (json_int_t)t->lost);
	answer_print(o);
	json_decref(o);
}
