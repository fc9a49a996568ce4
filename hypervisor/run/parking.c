/* SPDX-License-Identifier: MIT */
/* When guests are parked: those that have waited for the engine's park_after_ns. */
#include <errno.h>

#include "run/parking.h"
#include "base/container.h"
#include "base/time.h"
#include "guest/guest.h"
#include "memory/park.h"

int guest_park(struct guest *g)
{
	if (g->run != RUN_BLOCKED || g->doomed)
		return -EBUSY;
	int r = memory_park(&g->memory, g->host->swap);
	if (r || atomic_exchange(&g->parked, true))
		return r;
	atomic_store(&g->count.frames, 0);
	atomic_store(&g->count.table_frames, 0);
	atomic_fetch_add(&g->host->parked, 1);
	atomic_fetch_add(&g->host->parkings, 1);
	return 0;
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
