/* SPDX-License-Identifier: MIT */
/* A computation, compiled once and linked into a guest and a process. */
#ifndef BENCH_WORK_H
#define BENCH_WORK_H

#include <stdint.h>

#define WORK_STRETCHES_MOST 1024u

/* Integers and floating point over 64 KiB, some 0.2 ms; the result depends on every step. */
uint64_t work(uint64_t seed);

#endif
