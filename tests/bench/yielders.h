/* SPDX-License-Identifier: MIT */
/* Guests that yield to each other in turn, on a worker of their own: what a switch costs. */
#ifndef BENCH_YIELDERS_H
#define BENCH_YIELDERS_H

#include <stdint.h>

#include "common.h"

struct yielders {
	struct bench *bench;
	uint64_t *ids;
	unsigned n, yields; /* of each guest, in a round: as many as asked for, or as it takes to see it */
};

/* Spawns n of them (bench-calls.elf) and waits until they are ready. The engine has one worker. Each writes to `pages`
 * pages of its own whenever it has its turn. */
void yielders_spawn(struct yielders *y, struct bench *b, const char *image, unsigned n, unsigned yields,
		    unsigned pages);
void yielders_free(struct yielders *y);
/* Lets all of them yield, and takes the middle, where all of them are in turn. Sets the CPU time of a switch and
 * returns the hypercalls for each. Nothing else may run in this process. */
double yielders_round(struct yielders *y, double *switch_ns);

#endif
