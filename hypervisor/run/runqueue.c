/* SPDX-License-Identifier: MIT */
/* A worker's runnable guests, and how guests come and go between workers: the mechanism under schedule.c's policy. */
#include <stdlib.h>

#include "engine/engine.h"
#include "guest/guest.h"
#include "cell/vcpu.h"
#include "base/time.h"

#define LEAD_NS UINT64_C(2000000)            /* virtual time by which a worker may be ahead of another's guest */
#define LEAD_MOVES_EACH_NS UINT64_C(5000000) /* one move for that reason at a time: it must show its effect */

static struct guest *guest_of(struct share *share)
{
	return (struct guest *)((char *)share - offsetof(struct guest, share));
}

/* ---- The queue ---- */

/* The least virtual time of those workers that have something to do; false: none of them. */
static bool others_floor(const struct worker *w, uint64_t *floor)
{
	bool any = false;
	for (unsigned i = 0; i < w->engine->nworkers; i++) {
		const struct worker *other = &w->engine->workers[i];
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
	struct guest *g = (struct guest *)((char *)d - offsetof(struct guest, throttle));
	worker_enqueue(guest_worker(g), g, SHARE_RAN);
}

void worker_enqueue(struct worker *w, struct guest *g, enum share_why why)
{
	uint64_t until, floor = 0;
	g->run = RUN_RUNNABLE;
	if (g->bandwidth.quota && !bandwidth_left(&g->bandwidth, monotonic_ns(), &until)) {
		g->throttle.fire = throttle_fire;
		if (!worker_deadline(w, &g->throttle, until))
			return;
	}
	if (!atomic_load_explicit(&w->runnable, memory_order_relaxed) && others_floor(w, &floor))
		schedule_catch_up(&w->schedule, floor);
	schedule_put(&w->schedule, &g->share, why);
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

struct guest *worker_next(struct worker *w)
{
	struct share *share = schedule_take(&w->schedule);
	atomic_store_explicit(&w->floor, w->schedule.floor, memory_order_relaxed);
	return share ? guest_of(share) : NULL;
}

static void wake_fire(struct deadline *d)
{
	guest_wake((struct guest *)((char *)d - offsetof(struct guest, wake)));
}

bool guest_wait(struct guest *g, uint32_t count, uint64_t deadline)
{
	g->run = RUN_BLOCKED;
	g->wait_count = count;
	if (g->doomed || ring_unread(&g->ring) >= count || upcall_ends_wait(g))
		return true;
	g->wake.fire = wake_fire;
	return deadline != CASSIN_FOREVER && worker_deadline(guest_worker(g), &g->wake, deadline);
}

void guest_wake(struct guest *g)
{
	struct worker *w = guest_worker(g);
	if (g->run != RUN_BLOCKED)
		return;
	deadlines_clear(&w->deadlines, &g->wake);
	g->share.slept = monotonic_ns() - g->dispatched_at;
	worker_enqueue(w, g, SHARE_WOKEN);
}

/* ---- Moving ---- */

static void on_arrival(struct worker *w, struct message *m)
{
	struct guest *g = ((struct guest_call *)m)->guest;
	free(m);
	devices_arrive(g);
	for (struct op *op = g->ops; op; op = op->next) {
		if (op->timed)
			worker_deadline(w, &op->deadline, op->deadline.when);
	}
	if (g->timer_on)
		worker_deadline(w, &g->timer, g->timer.when);
	upcall_resume(g);
	worker_enqueue(w, g, SHARE_RAN);
}

/* Hands a runnable guest that is in no queue to another worker. */
static bool move(struct worker *w, struct guest *g, struct worker *to)
{
	struct guest_call *c = malloc(sizeof *c);
	struct vcpu *v = g->cell->vcpus[w->number];
	if (!c || (v && v->unsaved == g && vcpu_save_extended(v))) {
		free(c);
		return false;
	}
	devices_leave(g);
	for (struct op *op = g->ops; op; op = op->next)
		deadlines_clear(&w->deadlines, &op->deadline);
	deadlines_clear(&w->deadlines, &g->timer);
	deadlines_clear(&w->deadlines, &g->park);
	deadlines_clear(&w->deadlines, &g->upcall_timer);
	g->incarnation = incarnation_next(); /* what this worker's vCPU holds is no longer its state */
	g->run = RUN_MOVING;
	c->guest = g;
	c->message.fn = on_arrival;
	atomic_fetch_sub(&w->guests, 1);
	atomic_fetch_add(&to->guests, 1);
	atomic_fetch_add(&w->moves, 1);
	worker_post_arrival(to, g, &c->message);
	return true;
}

/* Whether g, put aside by w, is better off with `other`: that idles, or the weights are better spread then, or it is so
 * far ahead in virtual time that weights alone do not explain it (three equal guests on two workers, say). */
static bool better_off(const struct worker *w, const struct guest *g, const struct worker *other, uint64_t now)
{
	unsigned there = atomic_load_explicit(&other->load, memory_order_relaxed);
	unsigned here = atomic_load_explicit(&w->load, memory_order_relaxed); /* without g */
	if (!atomic_load_explicit(&other->runnable, memory_order_relaxed) || there < here)
		return true;
	uint64_t floor = atomic_load_explicit(&other->floor, memory_order_relaxed);
	return (int64_t)(floor - g->share.vruntime - LEAD_NS) > 0 && now - w->lead_move >= LEAD_MOVES_EACH_NS;
}

bool worker_rebalance(struct worker *w, struct guest *g)
{
	uint64_t now = monotonic_ns();
	if (!w->schedule.count)
		return false;
	for (unsigned i = 0; i < w->engine->nworkers; i++) {
		struct worker *other = &w->engine->workers[i];
		if (other != w && better_off(w, g, other, now) && move(w, g, other)) {
			w->lead_move = now;
			return true;
		}
	}
	return false;
}
