/* SPDX-License-Identifier: MIT */
/* The trace of a guest in the foreground: a line for each record, on standard error or in a file. One thread uses it. */
#ifndef RUN_TRACE_H
#define RUN_TRACE_H

#include <cassin/trace.h>

struct run_trace;

/* Opens the file at path, new or empty; NULL: standard error. Before the sandbox is entered. NULL: *err says why. */
struct run_trace *run_trace_open(const char *path, struct cassin_error_text *err);
/* Starts the thread that writes. 0, -ENOMEM. Before the sandbox is entered, too. */
int run_trace_start(struct run_trace *t, const struct cassin_sandbox *sandbox);
/* What it is to show. */
void run_trace_follow(struct run_trace *t, struct cassin_trace *trace);
/* Shows what has come. Milliseconds until it wants to look again. */
int run_trace_look(struct run_trace *t);
/* Shows what is left, and ends the trace. Before the engine is destroyed. A descriptor that becomes readable when all is written. */
int run_trace_end(struct run_trace *t);
/* Whether all could be written, or nobody wanted it; if not, says so. After that descriptor has become readable. Frees t. */
bool run_trace_close(struct run_trace *t);

#endif
