/* SPDX-License-Identifier: MIT */
/* Records of a trace as the API tells them: numbers have become names (docs/api.md). */
#ifndef TRACE_JSON_H
#define TRACE_JSON_H

#include <jansson.h>

#include <cassin/trace.h>

/* A new reference; NULL: no memory. */
json_t *trace_json(const struct cassin_trace_record *r);
/* The same of records that were lost. */
json_t *trace_json_lost(uint64_t records);

#endif
