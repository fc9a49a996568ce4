/* SPDX-License-Identifier: MIT */
/* When guests are parked: those that have waited for the engine's park_after_ns. */
#include <errno.h>

#include "run/parking.h"
#include "base/container.h"
#include "base/time.h"
#include "cell/vcpu.h"
#include "guest/guest.h"
#include "memory/park.h"

/* ---- Waking ---- */

const char *guest_asleep_why(int error)
{
	return error == -ENOMEM ? "pool exhausted: it was parked, and there is no memory to wake it"
				: "the swap file does not give its parked memory back";
}

/* What was held is posted behind the last piece. 1: there is more to do; 0; -EINPROGRESS: there will be; -errno. */
static int wake_piece(struct guest *g)
{
	struct memory *m = &g->memory;
	if (!memory_sleeps(m))
		return op_post_held(g);
	int r = memory_unpark_begin(m);
	if (!r)
		r = memory_unpark_go_on(m);
	return r < 0 ? r : 1;
}

/* Before all else that is done for it, in the guest's turns for its work. */
void guest_wake_some(struct work *w)
{
	struct guest *g = CONTAINER_OF(w, struct guest, waking);
	int r;
	do
		r = wake_piece(g);
	while (r == 1 && work_goes_on(g));
	if (r == -EINPROGRESS)
		g->swapping->waits = true;
	atomic_store(&g->count.frames, g->memory.used);
	atomic_store(&g->count.table_frames, g->memory.table_frames);
	if (r == 1 || guest_starved(g, r) || guest_pauses(g)) {
		work_ahead(g, w);
		return;
	}
	guest_let_go(g);
	if (r) {
		g->memory.lost = r;
		g->doomed = guest_asleep_why(r);
		guest_wake(g);
		return;
	}
	guest_unparked(g);
	if (g->run == RUN_BLOCKED)
		guest_park_later(g);
}

/* ---- Parking ---- */

/* What its vCPU keeps for it goes, too. */
static void leave(struct guest *g)
{
	vcpu_leave(g->cell->vcpus[guest_worker(g)->number], &g->cpu);
}

static void count(struct guest *g)
{
	if (atomic_exchange(&g->parked, true))
		return;
	atomic_store(&g->count.frames, 0);
	atomic_store(&g->count.table_frames, 0);
	atomic_fetch_add(&g->host->parked, 1);
	atomic_fetch_add(&g->host->parkings, 1);
}

/* Whether something is to be done with its memory: it is not put to sleep in front of that. */
static bool wanted(const struct guest *g)
{
	return g->work.first || work_queued(&g->waking);
}

static bool small(const struct memory *m)
{
	return m->used <= AT_ONCE_PAGES && m->table_frames <= AT_ONCE_TABLES;
}

int guest_park(struct guest *g)
{
	if (g->run != RUN_BLOCKED || g->doomed || wanted(g))
		return -EBUSY;
	leave(g);
	int r = memory_park(&g->memory, guest_swap(g));
	if (!r)
		count(g);
	return r;
}

/* In the guest's turns for its work, until something else needs the memory. */
static void park_some(struct work *w)
{
	struct guest *g = CONTAINER_OF(w, struct guest, parking);
	int r = -ECANCELED;
	if (wanted(g))
		memory_park_give_up(&g->memory);
	else
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

static void park_in_pieces(struct guest *g)
{
	if (memory_park_begin(&g->memory, guest_swap(g)))
		return;
	leave(g);
	g->parking.fn = park_some;
	work_later(g, &g->parking);
}

void guest_unparked(struct guest *g)
{
	if (atomic_load_explicit(&g->parked, memory_order_relaxed) && atomic_exchange(&g->parked, false))
		atomic_fetch_sub(&g->host->parked, 1);
}

/* A busy guest pays for one deadline in each such time, not for one at each wait. One that is to stop has its timer for that. */
static void park_fire(struct deadline *d)
{
	struct guest *g = CONTAINER_OF(d, struct guest, timer);
	uint64_t after = g->host->park_after_ns, now = monotonic_ns();
	if (g->run != RUN_BLOCKED || atomic_load(&g->parked))
		return;
	if (wanted(g)) {
		guest_park_later(g);
	} else if (now - g->dispatched_at >= after) {
		if (!small(&g->memory)) {
			park_in_pieces(g);
			return;
		}
		uint64_t began = guest_work_begin(g);
		guest_park(g);
		guest_worked(g, began);
	} else {
		worker_deadline(guest_worker(g), &g->timer, g->dispatched_at + after);
	}
}

void guest_park_later(struct guest *g)
{
	uint64_t after = g->host->park_after_ns;
	if (!after || deadline_pending(&g->timer))
		return;
	g->timer.fire = park_fire;
	worker_deadline(guest_worker(g), &g->timer, monotonic_ns() + after);
}
