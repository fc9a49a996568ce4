/* SPDX-License-Identifier: MIT */
/* Time, in nanoseconds, read without an exit where the host's TSC allows. */
#ifndef CASSIN_GUEST_CLOCK_H
#define CASSIN_GUEST_CLOCK_H

#include <stdint.h>

uint64_t cassin_now(void);     /* monotonic; deadlines are on this clock */
uint64_t cassin_wall(void);    /* since 1970-01-01 UTC */
uint64_t cassin_virtual(void); /* while this guest ran */
/* Sleeps until a moment of cassin_now(). */
void cassin_sleep_until(uint64_t when);

#endif
