/* SPDX-License-Identifier: MIT */
#include "work.h"

#define WORDS 4096u /* 32 KiB */
#define SIDE 36u    /* three matrices: 30 KiB */

/* Aligned, so that it lies the same way in both programs. */
static uint64_t words[WORDS] __attribute__((aligned(4096)));
static double a[SIDE][SIDE] __attribute__((aligned(4096))), b[SIDE][SIDE], c[SIDE][SIDE];

/* Marsaglia, "Xorshift RNGs", 2003, with a table that it reads and writes at random. */
static uint64_t integers(uint64_t x)
{
	for (unsigned i = 0; i < 8 * WORDS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		uint64_t *w = &words[x % WORDS];
		*w = *w * 31 + x;
		x += *w >> 5;
	}
	return x;
}

static double floats(double seed)
{
	for (unsigned i = 0; i < SIDE; i++) {
		for (unsigned j = 0; j < SIDE; j++) {
			a[i][j] = seed + i;
			b[i][j] = 1.0 / (1.0 + i + j);
		}
	}
	double trace = 0;
	for (unsigned i = 0; i < SIDE; i++) {
		for (unsigned j = 0; j < SIDE; j++) {
			double sum = 0;
			for (unsigned k = 0; k < SIDE; k++)
				sum += a[i][k] * b[k][j];
			c[i][j] = sum / (1.0 + sum);
		}
		trace += c[i][i];
	}
	return trace;
}

uint64_t work(uint64_t seed)
{
	uint64_t x = seed | 88172645463325252u;
	x = integers(x);
	return x + (uint64_t)(floats((double)(x % 16)) * 1e6);
}
