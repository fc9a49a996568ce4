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

static uint64_t *taken_of(struct numbers *n)
{
	return n->words > 1 ? n->taken : &n->few;
}

int numbers_grow(struct numbers *n, uint32_t size)
{
	uint32_t words = words_for(size);
	if (words <= n->words)
		return 0;
	if (words == 1) {
		n->words = 1;
		return 0;
	}
	uint64_t *taken = calloc((size_t)words + words_for(words), sizeof *taken);
	if (!taken)
		return -ENOMEM;
	struct numbers old = *n;
	*n = (struct numbers){.taken = taken, .words = words};
	memcpy(taken, taken_of(&old), old.words * sizeof *taken);
	for (uint32_t i = 0; i < old.words; i++)
		if (taken[i] == UINT64_MAX)
			taken[words + i / BITS] |= UINT64_C(1) << i % BITS;
	numbers_free(&old);
	return 0;
}

void numbers_take(struct numbers *n, uint32_t number)
{
	uint32_t word = number / BITS;
	uint64_t *taken = taken_of(n);
	taken[word] |= UINT64_C(1) << number % BITS;
	if (n->words > 1 && taken[word] == UINT64_MAX)
		taken[n->words + word / BITS] |= UINT64_C(1) << word % BITS;
}

void numbers_give(struct numbers *n, uint32_t number)
{
	uint32_t word = number / BITS;
	uint64_t *taken = taken_of(n);
	taken[word] &= ~(UINT64_C(1) << number % BITS);
	if (n->words > 1)
		taken[n->words + word / BITS] &= ~(UINT64_C(1) << word % BITS);
}

/* The lowest bit of a word that is 0; where the next word begins if there is none. */
static uint32_t lowest_of(uint64_t word)
{
	return word == UINT64_MAX ? BITS : (uint32_t)__builtin_ctzll(~word);
}

uint32_t numbers_lowest(const struct numbers *n)
{
	if (n->words <= 1)
		return n->words ? lowest_of(n->few) : 0;
	const uint64_t *full = n->taken + n->words;
	for (uint32_t i = 0; i < words_for(n->words); i++) {
		uint32_t word = i * BITS + lowest_of(full[i]);
		if (full[i] != UINT64_MAX && word < n->words)
			return word * BITS + lowest_of(n->taken[word]);
	}
	return n->words * BITS;
}

void numbers_free(struct numbers *n)
{
	if (n->words > 1)
		free(n->taken);
	*n = (struct numbers){0};
}
