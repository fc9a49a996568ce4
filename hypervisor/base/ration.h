/* SPDX-License-Identifier: MIT */
/*
 * A ration of something that harms others: one in each `every` ns, and RATION_BURST at once. Who takes more gets it, but is to
 * wait until it is within the ration again. Pure: it knows no clock.
 */
#ifndef RATION_H
#define RATION_H

#include <stdint.h>

#define RATION_BURST 4u

struct ration {
	uint64_t every; /* ns */
	uint64_t even;  /* when all that was taken is made up for */
};

/* Takes one at `now`. Returns the time until which the taker is to wait; 0: it need not. */
uint64_t ration_take(struct ration *r, uint64_t now);

#endif
