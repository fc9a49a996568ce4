/* SPDX-License-Identifier: MIT */
/*
 * What an engine does once a second: steers the clock pages, and gives back memory: the kernel's for cells that went idle,
 * frames that nobody needs, and of the heap what folding guests up has left free.
 */
#include <malloc.h>

#include "engine/engine.h"

/* Guests that were folded up and moved to the swap file leave free pages between those of others, which the C library keeps.
 * Once, when no more of them come. */
static void trim_heap(struct engine *e)
{
	uint64_t parkings = atomic_load(&e->host.parkings);
	if (parkings == e->parkings_seen && parkings != e->parkings_trimmed) {
		malloc_trim(0);
		e->parkings_trimmed = parkings;
	}
	e->parkings_seen = parkings;
}

void engine_tick(void *opaque)
{
	struct engine *e = opaque;
	pthread_mutex_lock(&e->cells_lock);
	clock_steer(&e->clock);
	for (struct cell *c = e->cells; c; c = c->next) {
		cell_clocks_publish(c, &e->clock);
		bool busy = atomic_exchange(&c->busy, false);
		if (busy)
			c->trimmed = false;
		else if (!c->trimmed ||
			 frames_quarantined(&c->frames)) { /* parking fills the quarantine of a cell at rest */
			cell_trim(c);
			c->trimmed = true;
		}
		cell_return(c, !busy);
	}
	pthread_mutex_unlock(&e->cells_lock);
	trim_heap(e);
}
