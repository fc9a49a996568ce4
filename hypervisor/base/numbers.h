/* SPDX-License-Identifier: MIT */
/* A set of small numbers that tells the lowest that is not in it, in near constant time. Pure; owned by one thread. */
#ifndef NUMBERS_H
#define NUMBERS_H

#include <stdint.h>

struct numbers {
	/* A bit for each number that is taken: one word here, or `words` of them, malloc'd; behind those a bit for each that is full. */
	union {
		uint64_t few;
		uint64_t *taken;
	};
	uint32_t words;
};

/* Makes room for numbers below `size`. A set that is all zero has room for none. -ENOMEM: nothing has changed. */
int numbers_grow(struct numbers *n, uint32_t size);
/* Both are for numbers that there is room for. */
void numbers_take(struct numbers *n, uint32_t number);
void numbers_give(struct numbers *n, uint32_t number);
/* The lowest that is not taken; where there is no room for it yet if all are. */
uint32_t numbers_lowest(const struct numbers *n);
void numbers_free(struct numbers *n);

#endif
