/* SPDX-License-Identifier: MIT */
/* A worker's runnable guests: the mechanism under schedule.c's policy. */
#include "guest/wait.h"

#include "base/container.h"
#include "base/time.h"
#include "guest/guest.h"

static struct guest *guest_of(struct share *share)
{
	return CONTAINER_OF(share, struct guest, share);
}

/* The least virtual time of those workers that have something to do; false: none of them. */
static bool others_floor(const struct worker *w, uint64_t *floor)
{
	bool any = false;
	for (unsigned i = 0; i < w->team->n; i++) {
		const struct worker *other = &w->team->all[i];
		if (other == w || !atomic_load_explicit(&other->runnable, memory_order_relaxed))
			continue;
		uint64_t at = atomic_load_explicit(&other->floor, memory_order_relaxed);
		if (!any || (int64_t)(at - *floor) < 0)
			*floor = at;
		any = true;
	}
	return any;
}

static void throttle_fire(struct deadline *d)
{
	struct guest *g = CONTAINER_OF(d, struct guest, throttle);
	if (guest_wants(g))
		guest_want_fire(g);
	else if (g->run == RUN_RUNNABLE)
		worker_enqueue(guest_worker(g), g, SHARE_RAN);
	else
		work_schedule(g);
}

/* Whether g may not run yet, and until when: it waits for memory, is held, or has used up its cap. */
static bool must_wait(struct guest *g, uint64_t *until)
{
	if (guest_wants(g)) {
		*until = guest_want_until(g);
		return true;
	}
	if (!g->held_until && !g->cap)
		return false;
	uint64_t now = monotonic_ns(), capped = 0;
	if (g->held_until <= now)
		g->held_until = 0;
	if (bandwidth_left(g->cap, now, &capped))
		capped = 0;
	*until = capped > g->held_until ? capped : g->held_until;
	return *until;
}

/* Puts g in the queue, or has it wait until it may. It may be there for its work already, or have a turn for that now. */
static void enqueue(struct worker *w, struct guest *g, enum share_why why)
{
	uint64_t until, floor = 0;
	if (g->share.queued || g->work.on)
		return;
	if (guest_reads_swap(g))
		return; /* who has read tells */
	if (must_wait(g, &until)) {
		g->throttle.fire = throttle_fire;
		worker_deadline(w, &g->throttle, until);
		return;
	}
	if (!atomic_load_explicit(&w->runnable, memory_order_relaxed) && others_floor(w, &floor))
		schedule_catch_up(&w->schedule, floor);
	schedule_put(&w->schedule, &g->share, why);
	worker_entered(w, g);
}

void worker_enqueue(struct worker *w, struct guest *g, enum share_why why)
{
	g->run = RUN_RUNNABLE;
	enqueue(w, g, why);
}

/* When g last had something done for it. */
static uint64_t asleep_since(const struct guest *g)
{
	return g->work.ended > g->dispatched_at ? g->work.ended : g->dispatched_at;
}

void worker_enqueue_work(struct worker *w, struct guest *g)
{
	if (g->share.queued || deadline_pending(&g->throttle))
		return;
	g->share.slept = monotonic_ns() - asleep_since(g);
	enqueue(w, g, SHARE_WOKEN);
}

void worker_entered(struct worker *w, struct guest *g)
{
	atomic_fetch_add_explicit(&w->runnable, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&w->load, g->share.weight, memory_order_relaxed);
}

void worker_left(struct worker *w, struct guest *g)
{
	atomic_fetch_sub_explicit(&w->runnable, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&w->load, g->share.weight, memory_order_relaxed);
}

void worker_dequeue(struct worker *w, struct guest *g)
{
	deadlines_clear(&w->deadlines, &g->throttle);
	if (!g->share.queued)
		return;
	schedule_remove(&w->schedule, &g->share);
	worker_left(w, g);
}

void worker_forget(struct worker *w, struct guest *g)
{
	worker_dequeue(w, g); /* it may be there for its work */
	deadlines_clear(&w->deadlines, &g->wake);
	deadlines_clear(&w->deadlines, &g->timer);
	upcall_suspend(g);
}

struct guest *worker_next(struct worker *w)
{
	struct share *share = schedule_take(&w->schedule);
	atomic_store_explicit(&w->floor, w->schedule.floor, memory_order_relaxed);
	return share ? guest_of(share) : NULL;
}

static void wake_fire(struct deadline *d)
{
	guest_wake(CONTAINER_OF(d, struct guest, wake));
}

bool guest_wait(struct guest *g, uint32_t count, uint64_t deadline)
{
	g->run = RUN_BLOCKED;
	g->wait_count = count;
	if (g->doomed || ring_unread(&g->ring) >= count || upcall_ends_wait(g))
		return true;
	g->wake.fire = wake_fire;
	if (deadline != CASSIN_FOREVER)
		worker_deadline(guest_worker(g), &g->wake, deadline);
	return false;
}

void guest_wake(struct guest *g)
{
	struct worker *w = guest_worker(g);
	if (g->run != RUN_BLOCKED)
		return;
	deadlines_clear(&w->deadlines, &g->wake);
	g->share.slept = monotonic_ns() - asleep_since(g);
	worker_enqueue(w, g, SHARE_WOKEN);
}
