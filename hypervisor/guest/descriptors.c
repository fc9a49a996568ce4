/* SPDX-License-Identifier: MIT */
#include "guest/descriptors.h"

#include <errno.h>

#include "guest/guest.h"

#define KEPT 64u /* besides a quarter: of the engine itself, and clients of the API */

unsigned descriptors_for_guests(unsigned long limit)
{
	unsigned long n = limit > 4 * KEPT ? limit - limit / 4 - KEPT : limit / 4;
	return n < UINT32_MAX / 2 ? (unsigned)n : UINT32_MAX / 2;
}

int descriptors_take(struct guest *g, unsigned n)
{
	const unsigned most = g->host->descriptors_most;
	unsigned own = atomic_fetch_add(&g->descriptors, n), all = atomic_fetch_add(&g->host->descriptors, n);
	if (own + n <= most - most / 4 && all + n <= most)
		return 0;
	descriptors_give(g, n);
	return -EMFILE;
}

void descriptors_give(struct guest *g, unsigned n)
{
	atomic_fetch_sub(&g->descriptors, n);
	atomic_fetch_sub(&g->host->descriptors, n);
}
