/* SPDX-License-Identifier: MIT */
/* Amounts of memory in words. */
#ifndef AMOUNT_H
#define AMOUNT_H

#include <stdint.h>
#include <stdio.h>

struct amount {
	char text[24];
};

/* "1.5 MiB", or "0.5 KiB" where that is below 1 MiB: `amount_of(n).text` is there until the end of the full expression. */
static inline struct amount amount_of(uint64_t bytes)
{
	struct amount a;
	unsigned shift = bytes < UINT64_C(1) << 20 ? 10 : 20;
	snprintf(a.text, sizeof a.text, "%.1f %s", (double)bytes / (1u << shift), shift == 10 ? "KiB" : "MiB");
	return a;
}

#endif
