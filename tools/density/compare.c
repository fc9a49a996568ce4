/* SPDX-License-Identifier: MIT */
#include "compare.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "metrics.h"

static const json_t *by_name(const json_t *systems, const char *name)
{
	size_t i;
	json_t *system;
	json_array_foreach (systems, i, system)
		if (!strcmp(json_string_value(json_object_get(system, "name")), name))
			return system;
	return NULL;
}

static const json_t *by_guests(const json_t *summary, json_int_t guests)
{
	size_t i;
	json_t *step;
	json_array_foreach (summary, i, step)
		if (json_integer_value(json_object_get(step, "guests")) == guests)
			return json_object_get(step, "metrics");
	return NULL;
}

static double part(const json_t *figure, const char *which)
{
	return json_number_value(json_object_get(figure, which));
}

/* A difference counts only if the runs' ranges do not overlap. */
static const char *verdict(const struct metric *m, const json_t *a, const json_t *b)
{
	bool higher = part(b, "min") > part(a, "max"), lower = part(b, "max") < part(a, "min");
	if (!higher && !lower)
		return "within the spread";
	if (m->better == BETTER_NEITHER)
		return higher ? "higher" : "lower";
	return higher == (m->better == BETTER_HIGHER) ? "better" : "worse";
}

static size_t print_step(const char *system, json_int_t guests, const json_t *a, const json_t *b)
{
	size_t n = 0;
	char left[32], right[32];
	for (size_t i = 0; i < metric_count; i++) {
		const json_t *x = json_object_get(a, metrics[i].name), *y = json_object_get(b, metrics[i].name);
		double was = part(x, "median"), is = part(y, "median");
		if (!x || !y)
			continue;
		if (!n++)
			printf("\n%s, %lld guests\n", system, guests);
		printf("  %-22s %14s %14s", metrics[i].name, metric_text(was, left), metric_text(is, right));
		if (was > 0 || was < 0)
			printf(" %+8.1f %%", (is - was) / was * 100);
		else
			printf(" %10s", "");
		printf("  %s\n", verdict(&metrics[i], x, y));
	}
	return n;
}

/* A setting of the hosts that is not the same, since it may be why the figures are not. */
static void print_hosts(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *value;
	json_object_foreach ((json_t *)a, key, value) {
		const json_t *other = json_object_get(b, key);
		if (!strcmp(key, "available_kib") || json_equal(value, other))
			continue;
		if (json_is_string(value) && json_is_string(other))
			printf("Hosts differ: %s: %s, %s\n", key, json_string_value(value), json_string_value(other));
		else
			printf("Hosts differ: %s\n", key);
	}
}

size_t compare_print(const json_t *a, const json_t *b)
{
	size_t i, k, n = 0;
	json_t *system, *step;
	printf("A: %s, %s, %s\nB: %s, %s, %s\n", json_string_value(json_object_get(a, "title")),
	       json_string_value(json_object_get(a, "started")), json_string_value(json_object_get(a, "ended")),
	       json_string_value(json_object_get(b, "title")), json_string_value(json_object_get(b, "started")),
	       json_string_value(json_object_get(b, "ended")));
	if (!json_equal(json_object_get(a, "scenario"), json_object_get(b, "scenario")))
		puts("The scenarios differ.");
	print_hosts(json_object_get(a, "host"), json_object_get(b, "host"));
	json_array_foreach (json_object_get(a, "systems"), i, system) {
		const char *name = json_string_value(json_object_get(system, "name"));
		const json_t *other = by_name(json_object_get(b, "systems"), name);
		json_array_foreach (json_object_get(system, "summary"), k, step) {
			json_int_t guests = json_integer_value(json_object_get(step, "guests"));
			n += print_step(name, guests, json_object_get(step, "metrics"),
					by_guests(json_object_get(other, "summary"), guests));
		}
	}
	return n;
}
