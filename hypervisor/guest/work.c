/* SPDX-License-Identifier: MIT */
#include "guest/work.h"

#include "base/container.h"
#include "base/time.h"
#include "guest/device.h"
#include "guest/guest.h"

#define AHEAD_MOST_NS (2 * SLICE_NS)     /* of virtual time, before the others */
#define STALL_MOST_NS UINT64_C(10000000) /* what is not capped is looked at again after so long */

/* How far g is ahead of who goes next on its worker, in virtual time; 0: nobody wants to run, or g is not. */
static uint64_t ahead(const struct guest *g)
{
	const struct schedule *s = &guest_worker(g)->schedule;
	int64_t by = s->first ? (int64_t)(g->share.vruntime - s->first->vruntime) : 0;
	return by > 0 && s->first != &g->share ? (uint64_t)by : 0;
}

uint64_t guest_work_wait(struct guest *g)
{
	const struct worker *w = guest_worker(g);
	if (g->run == RUN_ON_CPU)
		return 0;
	uint64_t now = monotonic_ns(), until;
	if (!bandwidth_left(&g->bandwidth, now, &until))
		return until;
	uint64_t by = ahead(g);
	if (by > AHEAD_MOST_NS)
		return now + (by < STALL_MOST_NS ? by : STALL_MOST_NS);
	return g->work.look == w->looks && g->work.ns >= SLICE_NS ? 1 : 0;
}

uint64_t guest_work_begin(const struct guest *g)
{
	return g->run == RUN_ON_CPU ? 0 : monotonic_ns();
}

void guest_worked(struct guest *g, uint64_t began)
{
	struct worker *w = guest_worker(g);
	if (!began || g->run == RUN_ON_CPU || g->run == RUN_MOVING)
		return;
	uint64_t ns = monotonic_ns() - began;
	if (g->work.look != w->looks)
		g->work = (struct work){.look = w->looks};
	g->work.ns += ns;
	bool queued = g->share.queued;
	if (queued)
		schedule_remove(&w->schedule, &g->share);
	share_charge_idle(&g->share, &w->schedule, ns);
	if (queued)
		schedule_put(&w->schedule, &g->share, SHARE_RAN);
	bandwidth_charge(&g->bandwidth, ns);
	if (g->run == RUN_BLOCKED)
		g->dispatched_at += ns; /* for so long it has not slept */
	atomic_fetch_add_explicit(&g->count.work_ns, ns, memory_order_relaxed);
}

static void stall_over(struct deadline *d)
{
	devices_arrive(CONTAINER_OF(d, struct guest, stall));
}

void guest_stall(struct guest *g, uint64_t until)
{
	devices_leave(g);
	g->stall.fire = stall_over;
	if (worker_deadline(guest_worker(g), &g->stall, until))
		devices_arrive(g);
}
