/* SPDX-License-Identifier: MIT */
/* The figures of a step: their names in results, how to show them, and how several runs' come together. */
#ifndef DENSITY_METRICS_H
#define DENSITY_METRICS_H

#include <jansson.h>
#include <stddef.h>

enum better { BETTER_NEITHER, BETTER_LOWER, BETTER_HIGHER };

struct metric {
	const char *name, *title, *unit;
	enum better better;
	const char *chart; /* metrics of one chart stand together */
};

extern const struct metric metrics[];
extern const size_t metric_count;

/* Sets a figure, unless it is no number. */
void metric_set(json_t *into, const char *name, double value);
/* Of the runs of one system: [{"guests": N, "runs": K, "metrics": {NAME: {"median", "min", "max"}}}], a new array. */
json_t *metrics_summary(const json_t *runs);
/* A value as a person reads it: "12.3", "45,600". */
const char *metric_text(double value, char text[32]);

#endif
