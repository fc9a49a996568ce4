/* SPDX-License-Identifier: MIT */
/*
 * Medians, for guests and processes alike. A measure is taken as the median of many short stretches (well below
 * a millisecond), because a host that is busy with other things takes whole time slices away.
 */
#ifndef BENCH_MEDIAN_H
#define BENCH_MEDIAN_H

#include <stdint.h>

/* Sorts the values in place. n > 0. */
static inline uint64_t median(uint64_t *values, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++) {
		uint64_t v = values[i];
		uint32_t at = i;
		for (; at && values[at - 1] > v; at--)
			values[at] = values[at - 1];
		values[at] = v;
	}
	return values[n / 2];
}

#endif
