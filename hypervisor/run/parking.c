/* SPDX-License-Identifier: MIT */
/* When guests are parked: those that have waited for the engine's park_after_ns. */
#include <errno.h>

#include "run/parking.h"
#include "base/container.h"
#include "base/time.h"
#include "guest/guest.h"
#include "memory/park.h"

#define AT_ONCE_PAGES 128u /* half a mebibyte: a millisecond or two */
#define AT_ONCE_TABLES 16u

static void count(struct guest *g)
{
	if (atomic_exchange(&g->parked, true))
		return;
	atomic_store(&g->count.frames, 0);
	atomic_store(&g->count.table_frames, 0);
	atomic_fetch_add(&g->host->parked, 1);
	atomic_fetch_add(&g->host->parkings, 1);
}

int guest_park(struct guest *g)
{
	if (g->run != RUN_BLOCKED || g->doomed)
		return -EBUSY;
	int r = memory_park(&g->memory, g->host->swap);
	if (!r)
		count(g);
	return r;
}

/* In the guest's turns for its work, until something else needs the memory. */
static void park_some(struct work *w)
{
	struct guest *g = CONTAINER_OF(w, struct guest, parking);
	int r;
	do
		r = memory_park_go_on(&g->memory);
	while (r == 1 && work_goes_on(g));
	if (r == 1)
		work_later(g, w);
	else if (!r)
		count(g);
	else
		guest_park_later(g);
}

static bool small(const struct memory *m)
{
	return m->used <= AT_ONCE_PAGES && m->table_frames <= AT_ONCE_TABLES;
}

static void park_in_pieces(struct guest *g)
{
	if (memory_park_begin(&g->memory, g->host->swap))
		return;
	g->parking.fn = park_some;
	work_later(g, &g->parking);
}

void guest_unparked(struct guest *g)
{
	if (atomic_load_explicit(&g->parked, memory_order_relaxed) && atomic_exchange(&g->parked, false))
		atomic_fetch_sub(&g->host->parked, 1);
}

/* A busy guest pays for one deadline in each such time, not for one at each wait. */
static void park_fire(struct deadline *d)
{
	struct guest *g = CONTAINER_OF(d, struct guest, park);
	uint64_t after = g->host->park_after_ns, now = monotonic_ns();
	if (g->run != RUN_BLOCKED || atomic_load(&g->parked))
		return;
	if (now - g->dispatched_at >= after) {
		if (!small(&g->memory)) {
			park_in_pieces(g);
			return;
		}
		uint64_t began = guest_work_begin(g);
		guest_park(g);
		guest_worked(g, began);
	} else {
		worker_deadline(guest_worker(g), &g->park, g->dispatched_at + after);
	}
}

void guest_park_later(struct guest *g)
{
	uint64_t after = g->host->park_after_ns;
	if (!after || deadline_pending(&g->park))
		return;
	g->park.fire = park_fire;
	worker_deadline(guest_worker(g), &g->park, monotonic_ns() + after);
}
