/* SPDX-License-Identifier: MIT */
/* The host's clocks, in nanoseconds. */
#ifndef TIME_H
#define TIME_H

#include <stdint.h>

#define NS_PER_S UINT64_C(1000000000)

/* CLOCK_MONOTONIC. */
uint64_t monotonic_ns(void);
/* CLOCK_REALTIME, since 1970. */
uint64_t realtime_ns(void);

#endif
