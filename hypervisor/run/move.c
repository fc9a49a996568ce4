/* SPDX-License-Identifier: MIT */
#include "run/move.h"

#include <stdlib.h>

#include "base/time.h"
#include "cell/vcpu.h"
#include "guest/device.h"
#include "guest/guest.h"

#define LEAD_NS UINT64_C(2000000)            /* virtual time by which a worker may be ahead of another's guest */
#define LEAD_MOVES_EACH_NS UINT64_C(5000000) /* one move for that reason at a time: it must show its effect */

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
	if (!c || vcpu_save(v, &g->cpu)) {
		free(c);
		return false;
	}
	devices_leave(g);
	for (struct op *op = g->ops; op; op = op->next)
		deadlines_clear(&w->deadlines, &op->deadline);
	deadlines_clear(&w->deadlines, &g->timer);
	deadlines_clear(&w->deadlines, &g->park);
	deadlines_clear(&w->deadlines, &g->throttle);
	deadlines_clear(&w->deadlines, &g->upcall_timer);
	g->cpu.incarnation = incarnation_next(); /* what this worker's vCPU holds is no longer its state */
	g->run = RUN_MOVING;
	c->guest = g;
	c->message.fn = on_arrival;
	atomic_fetch_sub(&w->guests, 1);
	atomic_fetch_add(&to->guests, 1);
	atomic_fetch_add(&w->moves, 1);
	worker_post_arrival(to, &g->worker, &c->message);
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
	for (unsigned i = 0; i < w->team->n; i++) {
		struct worker *other = &w->team->all[i];
		if (other != w && better_off(w, g, other, now) && move(w, g, other)) {
			w->lead_move = now;
			return true;
		}
	}
	return false;
}
