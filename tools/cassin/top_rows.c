/* SPDX-License-Identifier: MIT */
/* Which guests are shown, and in what order. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "../common/command.h"
#include "top.h"

struct order {
	enum top_column by;
	bool reverse;
	const struct top_sample *sample;
};

static bool filtered(const char *filter, const char *name)
{
	if (!*filter)
		return true;
	return strpbrk(filter, "*?[") ? !fnmatch(filter, name, 0) : strstr(name, filter) != NULL;
}

static bool selected(const struct top_view *v, const char *name)
{
	bool named = v->npatterns == 0;
	for (int i = 0; i < v->npatterns && !named; i++)
		named = !fnmatch(v->patterns[i], name, 0);
	return named && filtered(v->filter, name);
}

static int more_first(double a, double b)
{
	return (a < b) - (a > b);
}

static int compare(const struct order *o, const struct top_guest *a, const struct top_guest *b)
{
	switch (o->by) {
	case COLUMN_STATE:
		return strcmp(o->sample->states[a->state].name, o->sample->states[b->state].name);
	case COLUMN_CPU:
		return more_first(a->rates[TOP_CPU], b->rates[TOP_CPU]);
	case COLUMN_MEMORY:
		return more_first((double)a->used_bytes, (double)b->used_bytes);
	case COLUMN_EXITS:
		return more_first(a->rates[TOP_EXITS], b->rates[TOP_EXITS]);
	case COLUMN_ACCEPTED:
		return more_first(a->rates[TOP_ACCEPTED], b->rates[TOP_ACCEPTED]);
	case COLUMN_IN:
		return more_first(a->rates[TOP_IN], b->rates[TOP_IN]);
	case COLUMN_OUT:
		return more_first(a->rates[TOP_OUT], b->rates[TOP_OUT]);
	case COLUMN_UPTIME:
		return more_first((double)a->uptime_ns, (double)b->uptime_ns);
	case COLUMN_NAME:
	case TOP_COLUMNS:
		break;
	}
	return strverscmp(a->name, b->name);
}

/* Equals stay in the order of their spawns. */
static int row_order(const void *a, const void *b, void *opaque)
{
	const struct top_guest *one = *(const struct top_guest *const *)a, *two = *(const struct top_guest *const *)b;
	const struct order *o = opaque;
	int by = compare(o, one, two);
	if (by)
		return o->reverse ? -by : by;
	return (one->id > two->id) - (one->id < two->id);
}

void top_rows(struct top_view *v, const struct top_sample *s)
{
	if (v->room < s->count) {
		const struct top_guest **more = reallocarray(v->rows, s->count, sizeof *more);
		if (more) {
			v->rows = more;
			v->room = s->count;
		}
	}
	v->nrows = 0;
	for (size_t i = 0; i < s->count && v->nrows < v->room; i++) {
		if (selected(v, s->guests[i].name))
			v->rows[v->nrows++] = &s->guests[i];
	}
	qsort_r(v->rows, v->nrows, sizeof *v->rows, row_order,
		&(struct order){.by = v->sort, .reverse = v->reverse, .sample = s});
}

enum top_column top_column_named(const char *name)
{
	enum top_column i = 0;
	while (i < TOP_COLUMNS && strcmp(top_heads[i].name, name) != 0)
		i++;
	return i;
}
