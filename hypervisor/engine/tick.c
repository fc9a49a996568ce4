/* SPDX-License-Identifier: MIT */
/*
 * What an engine does once a second: steers the clock pages, and gives back memory: the kernel's for cells that went idle,
 * frames that nobody needs, and of the heap what parking guests has left free.
 */
#include <malloc.h>

#include "engine/engine_private.h"

#define HEAP_KEPT 256u /* pages that may be free in the C library's heap while guests come and go */
#define SETTLED 5u     /* looks without a change, after which none may */

/* What guests held and gave back leaves free pages between those of others, which the C library keeps; so does memory that was
 * compressed and moved to the swap file. When no more of it comes, and once more when all is at rest: some is counted as given back a
 * little before it is. */
static void trim_heap(struct cassin_engine *e)
{
	uint64_t parkings = atomic_load(&e->host.parkings), held = atomic_load(&e->pool.host);
	struct heap_seen *seen = &e->heap;
	if (held > seen->most)
		seen->most = held;
	bool still = parkings == seen->parkings && held == seen->held;
	seen->still = still ? seen->still + 1 : 0;
	if ((still && (parkings != seen->parkings_trimmed || held + HEAP_KEPT < seen->most)) ||
	    seen->still == SETTLED) {
		malloc_trim(0);
		seen->parkings_trimmed = parkings;
		seen->most = held;
	}
	seen->parkings = parkings;
	seen->held = held;
}

/* Of one cell: its clock pages, and what nobody needs. */
static void tend(struct cell *c, const struct clock *clock)
{
	cell_clocks_publish(c, clock);
	cell_images_collect(c);
	bool busy = atomic_exchange(&c->busy, false);
	if (busy) {
		c->trimmed = false;
	} else if (!c->trimmed || frames_quarantined(&c->frames)) { /* parking fills the quarantine of a cell at rest */
		cell_trim(c);
		c->trimmed = true;
	}
	cell_return(c, !busy);
}

void engine_tick(void *opaque)
{
	struct cassin_engine *e = opaque;
	struct clock clock;
	pthread_mutex_lock(&e->cells_lock);
	clock_steer(&e->clock);
	clock = e->clock;
	pthread_mutex_unlock(&e->cells_lock);
	for (struct cell *c = engine_cell_next(e, NULL); c; c = engine_cell_next(e, c))
		tend(c, &clock);
	image_cache_trim(&e->images);
	trim_heap(e);
}
