/* SPDX-License-Identifier: MIT */
/* Why a host refuses process cells, in a line that names the rule and the cure. */
#ifndef PROCESS_REFUSAL_H
#define PROCESS_REFUSAL_H

#include <cassin/spec.h>

struct process_limits;

/* What a stub needs, as an error names it. */
#define NEEDS_PROGRAM "start of a process"
#define NEEDS_PTRACE "ptrace"

/* Returns r, -errno of `what`. Reads what the host says of itself: not for a thread that is confined. */
int refusal(int r, const char *what, struct cassin_error_text *err);
/* The same for the memory file that is a stub's program, and for a process. */
int refusal_of_program(int r, struct cassin_error_text *err);
int refusal_of_process(int r, const struct process_limits *limits, struct cassin_error_text *err);

#endif
