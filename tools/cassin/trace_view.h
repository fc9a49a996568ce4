/* SPDX-License-Identifier: MIT */
/* The events of a guest's trace (docs/api.md), as lines for a person, and counted. */
#ifndef TRACE_VIEW_H
#define TRACE_VIEW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* ---- trace_text.c ---- */

struct trace_text {
	FILE *out;
	bool begun; /* a call whose line has no end yet */
};
void trace_text_print(struct trace_text *t, const json_t *event);
/* Ends a line that has been begun. */
void trace_text_end(struct trace_text *t);

/* ---- trace_totals.c ---- */

#define TRACE_NAMES_MAX 64u /* a guest's wrong numbers have names, too: those beyond are counted together */

struct trace_total {
	char name[32];
	uint64_t count, errors, ns;
};
struct trace_totals {
	struct trace_total calls[TRACE_NAMES_MAX], operations[TRACE_NAMES_MAX];
	size_t ncalls, noperations;
	uint64_t lost;
};
void trace_totals_add(struct trace_totals *t, const json_t *event);
/* As tables; or as one JSON document. */
void trace_totals_print(struct trace_totals *t);
void trace_totals_json(struct trace_totals *t);

#endif
