/* SPDX-License-Identifier: MIT */
#include "scenario.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"

const char *const load_kinds[] = {"http", "kv", "echo", "lateness", NULL};

static void read_weights(const struct fields *f, struct group *g)
{
	size_t n = fields_array(f, "weights", false, SCENARIO_WEIGHTS_MAX);
	for (size_t i = 0; i < n; i++) {
		const json_t *w = json_array_get(json_object_get(f->o, "weights"), i);
		json_int_t v = json_integer_value(w);
		if (!json_is_integer(w) || v < 1 || v > 10000)
			fields_mistake(f, "weights", "must be integers from 1 to 10000");
		g->weights[i] = (unsigned)v;
	}
	g->weight_count = (unsigned)n;
}

static void read_group(const struct fields *f, struct group *g)
{
	static const char *const keys[] = {"name",      "image",   "args",     "memory", "domain",
					   "isolation", "share",   "count",    "port",   "host_port",
					   "weights",   "cpu_max", "fairness", "clones", NULL};
	size_t i, n = (fields_only(f, keys), fields_array(f, "args", false, 64));
	g->name = fields_text(f, "name", NULL);
	if (!*g->name || strlen(g->name) > 40 ||
	    strspn(g->name, "abcdefghijklmnopqrstuvwxyz0123456789") != strlen(g->name))
		fields_mistake(f, "name", "must be 1 to 40 lower-case letters and digits");
	g->image = fields_text(f, "image", NULL);
	g->memory = fields_text(f, "memory", "");
	g->cpu_max = fields_text(f, "cpu_max", "");
	g->domain = fields_text(f, "domain", "");
	g->isolation = fields_text(f, "isolation", "");
	g->args = n ? json_object_get(f->o, "args") : NULL;
	for (i = 0; i < n; i++)
		if (!json_is_string(json_array_get(g->args, i)))
			fields_mistake(f, "args", "must be strings");
	g->share = fields_number(f, "share", 0.000001, 1, 0);
	g->count = fields_count(f, "count", 1, SCENARIO_GUESTS_MAX, 0);
	if ((g->share > 0) == (g->count > 0))
		fields_mistake(f, NULL, "must have one of \"share\" and \"count\"");
	g->port = fields_count(f, "port", 1, 65535, 0);
	g->host_port = fields_count(f, "host_port", 1024, 65535, 0);
	if (g->host_port && !g->port)
		fields_mistake(f, "host_port", "needs a \"port\"");
	g->fairness = fields_flag(f, "fairness", false);
	g->clones = fields_flag(f, "clones", false);
	read_weights(f, g);
}

static void read_load(const struct fields *f, struct load *l, const struct scenario *s)
{
	static const char *const keys[] = {"kind", "group", "connections", "requests",    "rate",      "distribution",
					   "skew", "path",  "keys",        "value_bytes", "set_share", NULL};
	static const char *const distributions[] = {"uniform", "zipf", NULL};
	fields_only(f, keys);
	l->kind = fields_choice(f, "kind", load_kinds);
	const char *group = fields_text(f, "group", NULL);
	while (l->group < s->group_count && strcmp(s->groups[l->group].name, group) != 0)
		l->group++;
	if (l->group == s->group_count) {
		fields_mistake(f, "group", "no group is named \"%.40s\"", group);
		l->group = 0;
	} else if (!s->groups[l->group].port) {
		fields_mistake(f, "group", "group \"%s\" has no \"port\"", group);
	}
	l->connections = fields_count(f, "connections", 1, 4096, 64);
	l->requests = fields_count(f, "requests", 1, 1000000000, 1);
	l->rate = fields_number(f, "rate", 0.1, 1e7, 0);
	l->zipf = fields_choice(f, "distribution", distributions) == 1;
	l->skew = fields_number(f, "skew", 0.01, 10, 1);
	l->path = fields_text(f, "path", "/");
	if (*l->path != '/' || strlen(l->path) > 512 || strpbrk(l->path, " \r\n\t"))
		fields_mistake(f, "path", "must begin with / and have no blanks");
	l->keys = fields_count(f, "keys", 1, 1000000, 100);
	l->value_bytes = fields_count(f, "value_bytes", 1, 65536, 64);
	l->set_share = fields_number(f, "set_share", 0, 1, 0.1);
}

static void read_ramp(const struct fields *f, struct scenario *s)
{
	size_t n = fields_array(f, "ramp", true, SCENARIO_STEPS_MAX);
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_array_get(json_object_get(f->o, "ramp"), i);
		json_int_t count = json_integer_value(v);
		if (!json_is_integer(v) || count < 1 || count > SCENARIO_GUESTS_MAX ||
		    (i && count <= s->steps[i - 1])) {
			fields_mistake(f, "ramp", "must be rising integers from 1 to %d", SCENARIO_GUESTS_MAX);
			return;
		}
		s->steps[i] = (unsigned)count;
	}
	s->step_count = (unsigned)n;
}

static void read_groups(const struct fields *f, struct scenario *s)
{
	double sum = 0;
	s->group_count = fields_array(f, "groups", true, SCENARIO_GROUPS_MAX);
	for (size_t i = 0; i < s->group_count; i++) {
		struct fields e = fields_element(f, "groups", i);
		read_group(&e, &s->groups[i]);
		sum += s->groups[i].share;
		for (size_t k = 0; k < i; k++)
			if (!strcmp(s->groups[k].name, s->groups[i].name))
				fields_mistake(&e, "name", "is the name of groups[%zu] already", k);
	}
	if (fabs(sum - 1) > 0.001)
		fields_mistake(f, "groups", "the shares add up to %g, not 1", sum);
}

/* Guest i of a group has the host's port host_port + i: all have to be there, and not be of two groups. */
static void check_host_ports(const struct fields *f, const struct scenario *s)
{
	unsigned most = s->step_count ? s->steps[s->step_count - 1] : 0;
	for (size_t i = 0; i < s->group_count; i++) {
		const struct group *a = &s->groups[i];
		unsigned end = a->host_port + scenario_group_size(s, i, most);
		if (a->host_port && end > 65536)
			fields_mistake(f, "groups", "group \"%s\" needs the host's ports %u to %u", a->name,
				       a->host_port, end - 1);
		for (size_t k = 0; a->host_port && k < i; k++) {
			const struct group *b = &s->groups[k];
			if (b->host_port && b->host_port < end &&
			    a->host_port < b->host_port + scenario_group_size(s, k, most))
				fields_mistake(f, "groups", "\"%s\" and \"%s\" share ports of the host", b->name,
					       a->name);
		}
	}
}

static void read_all(const struct fields *f, struct scenario *s)
{
	static const char *const keys[] = {"name",      "title",   "description", "ramp",   "runs",  "warmup_s",
					   "measure_s", "workers", "pool",        "groups", "loads", "churn",
					   "baseline",  "park_s",  "swap",        NULL};
	fields_only(f, keys);
	s->name = fields_text(f, "name", NULL);
	if (!*s->name || strlen(s->name) > 40 ||
	    strspn(s->name, "abcdefghijklmnopqrstuvwxyz0123456789-") != strlen(s->name))
		fields_mistake(f, "name", "must be 1 to 40 lower-case letters, digits and -");
	s->title = fields_text(f, "title", s->name);
	s->description = fields_text(f, "description", "");
	s->pool = fields_text(f, "pool", "");
	s->swap = fields_text(f, "swap", "");
	s->baseline = fields_text(f, "baseline", "");
	s->runs = fields_count(f, "runs", 1, 100, 3);
	s->workers = fields_count(f, "workers", 1, 64, 0);
	s->park_s = fields_count(f, "park_s", 1, 3600, 0);
	if (*s->swap && !s->park_s)
		fields_mistake(f, "swap", "needs \"park_s\": only parked guests go there");
	s->warmup_s = fields_number(f, "warmup_s", 0, 3600, 1);
	s->measure_s = fields_number(f, "measure_s", 0.1, 3600, 5);
	s->churn = fields_flag(f, "churn", false);
	read_ramp(f, s);
	read_groups(f, s);
	s->load_count = fields_array(f, "loads", false, SCENARIO_LOADS_MAX);
	for (size_t i = 0; i < s->load_count; i++) {
		struct fields e = fields_element(f, "loads", i);
		read_load(&e, &s->loads[i], s);
	}
	check_host_ports(f, s);
}

int scenario_read(struct scenario *s, int fd, const char *path, char *why, size_t size)
{
	json_error_t error;
	struct mistake mistake = {0};
	*s = (struct scenario){.document = json_loadfd(fd, JSON_REJECT_DUPLICATES, &error)};
	if (!s->document) {
		if (error.line > 0)
			snprintf(why, size, "%s:%d: %s", path, error.line, error.text);
		else
			snprintf(why, size, "%s", error.text);
		return -EINVAL;
	}
	struct fields f = {.file = path, .o = s->document, .mistake = &mistake};
	read_all(&f, s);
	if (!mistake.made)
		return 0;
	snprintf(why, size, "%s", mistake.text);
	scenario_free(s);
	return -EINVAL;
}

int scenario_set_ramp(struct scenario *s, const char *text)
{
	unsigned n = 0;
	while (n < SCENARIO_STEPS_MAX && *text >= '0' && *text <= '9') {
		char *end;
		unsigned long v = strtoul(text, &end, 10);
		if (v < 1 || v > SCENARIO_GUESTS_MAX || (n && v <= s->steps[n - 1]))
			return -EINVAL;
		s->steps[n++] = (unsigned)v;
		s->step_count = n;
		if (!*end)
			return 0;
		if (*end != ',')
			return -EINVAL;
		text = end + 1;
	}
	return -EINVAL;
}

void scenario_free(struct scenario *s)
{
	json_decref(s->document);
	s->document = NULL;
}

unsigned scenario_group_size(const struct scenario *s, size_t group, unsigned guests)
{
	unsigned others = 0;
	size_t first = 0;
	if (!(s->groups[group].share > 0))
		return s->groups[group].count;
	while (!(s->groups[first].share > 0))
		first++;
	if (group != first)
		return (unsigned)(s->groups[group].share * guests);
	for (size_t i = first + 1; i < s->group_count; i++)
		others += (unsigned)(s->groups[i].share * guests);
	return guests - others;
}
