/* SPDX-License-Identifier: MIT */
/* The clock page: TSC to monotonic and wall time, kept in step with the host's clocks once a second. */
#ifndef CLOCK_H
#define CLOCK_H

#include "base/types.h"

struct clock {
	struct cassin_clock_page page;  /* as last published; seq unused */
	uint64_t first_tsc, first_mono; /* of the long baseline that gives the frequency */
};

/* Takes about 5 ms to measure the TSC. With `tsc` false the page tells guests to call instead. */
void clock_init(struct clock *c, bool tsc);
/* Compares with the host's clocks and steers: what guests read never steps back. */
void clock_steer(struct clock *c);
/* Writes the page for guests to read. */
void clock_publish(const struct clock *c, struct cassin_clock_page *to);
/* The TSC runs at one rate in every state of the CPU. */
bool clock_tsc_invariant(void);

#endif
