/* SPDX-License-Identifier: MIT */
#include "base/hash.h"

#include <pthread.h>
#include <sys/random.h>

static uint64_t multipliers[2] = {UINT64_C(0x9e3779b97f4a7c15), UINT64_C(0xbf58476d1ce4e5b9)};

static void choose(void)
{
	uint64_t random[2];
	if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random)
		return;
	multipliers[0] = random[0] | 1;
	multipliers[1] = random[1] | 1;
}

uint32_t hash_keyed(uint64_t key, unsigned bits)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, choose);
	key ^= key >> 32;
	key *= multipliers[0]; /* alone it would leave keys of equal distance in few places, for some numbers */
	key ^= key >> 32;
	return (uint32_t)((key * multipliers[1]) >> (64 - bits));
}

uint64_t hash_fnv_more(uint64_t before, const void *bytes, size_t len)
{
	const unsigned char *at = bytes;
	for (size_t i = 0; i < len; i++)
		before = (before ^ at[i]) * UINT64_C(0x100000001b3);
	return before;
}

uint64_t hash_fnv(const void *bytes, size_t len)
{
	return hash_fnv_more(HASH_FNV_FIRST, bytes, len);
}
