/* SPDX-License-Identifier: MIT */
/*
 * The least that a hypercall can cost in a traced process: `out` for ever, and a bare resume and wait, both on one CPU. Registers
 * are read and written at each stop, since a tracer cannot have them in any other way.
 */
#ifndef BENCH_RAW_PTRACE_H
#define BENCH_RAW_PTRACE_H

#include <stdint.h>

/* The calling thread is the tracer: it alone may call raw_ptrace_loop(). */
void raw_ptrace_open(void);
/* Nanoseconds for n stops. */
uint64_t raw_ptrace_loop(unsigned n);

#endif
