/* SPDX-License-Identifier: MIT */
/* The least that a hypercall can cost on a host: ring-3 code that does `out` for ever, and a bare KVM_RUN. */
#ifndef BENCH_RAW_KVM_H
#define BENCH_RAW_KVM_H

#include <stdint.h>

void raw_open(void);
/* Nanoseconds for n exits. */
uint64_t raw_loop(unsigned n);

#endif
