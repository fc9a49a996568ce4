/* SPDX-License-Identifier: MIT */
#include "base/numbers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BITS 64u

static uint32_t words_for(uint32_t bits)
{
	return bits / BITS + (bits % BITS != 0);
}

int numbers_grow(struct numbers *n, uint32_t size)
{
	uint32_t words = words_for(size);
	if (words <= n->words)
		return 0;
	uint64_t *taken = calloc((size_t)words + words_for(words), sizeof *taken);
	if (!taken)
		return -ENOMEM;
	uint64_t *full = taken + words;
	if (n->words) {
		memcpy(taken, n->taken, n->words * sizeof *taken);
		memcpy(full, n->full, words_for(n->words) * sizeof *full);
	}
	free(n->taken);
	*n = (struct numbers){taken, full, words};
	return 0;
}

void numbers_take(struct numbers *n, uint32_t number)
{
	uint32_t word = number / BITS;
	n->taken[word] |= UINT64_C(1) << number % BITS;
	if (n->taken[word] == UINT64_MAX)
		n->full[word / BITS] |= UINT64_C(1) << word % BITS;
}

void numbers_give(struct numbers *n, uint32_t number)
{
	uint32_t word = number / BITS;
	n->taken[word] &= ~(UINT64_C(1) << number % BITS);
	n->full[word / BITS] &= ~(UINT64_C(1) << word % BITS);
}

uint32_t numbers_lowest(const struct numbers *n)
{
	for (uint32_t i = 0; i < words_for(n->words); i++) {
		if (n->full[i] == UINT64_MAX)
			continue;
		uint32_t word = i * BITS + (uint32_t)__builtin_ctzll(~n->full[i]);
		if (word >= n->words)
			break;
		return word * BITS + (uint32_t)__builtin_ctzll(~n->taken[word]);
	}
	return n->words * BITS;
}

void numbers_free(struct numbers *n)
{
	free(n->taken);
	*n = (struct numbers){0};
}
