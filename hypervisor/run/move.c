/* SPDX-License-Identifier: MIT */
#include "run/move.h"

#include <stdlib.h>

#include "base/time.h"
#include "cell/vcpu.h"
#include "guest/device.h"
#include "guest/guest.h"

#define OPERATIONS_PIECE 16u                 /* deadlines taken out or set again in one piece */
#define LEAD_NS UINT64_C(2000000)            /* virtual time by which a worker may be ahead of another's guest */
#define LEAD_MOVES_EACH_NS UINT64_C(5000000) /* one move for that reason at a time: it must show its effect */

/* ---- There ---- */

static bool arrive_step(struct guest *g)
{
	struct moving *m = &g->moving;
	if (devices_arrive(g, &m->walk))
		return true;
	for (unsigned n = 0; m->op && n < OPERATIONS_PIECE; n++, m->op = m->op->next) {
		if (m->op->timed)
			worker_deadline(guest_worker(g), &m->op->deadline, m->op->deadline.when);
	}
	return m->op;
}

static void arrived(struct guest *g)
{
	struct worker *w = guest_worker(g);
	if (g->timer_on)
		worker_deadline(w, &g->timer, g->timer.when);
	upcall_resume(g);
	worker_enqueue(w, g, SHARE_RAN);
	if (g->held_ops.first) /* over on the way */
		guest_wakes_first(g);
	passage_over(g);
}

static void on_arrival(struct worker *w, struct message *m)
{
	struct guest *g = ((struct guest_call *)m)->guest;
	(void)w;
	free(m);
	g->moving = (struct moving){.op = g->ops};
	passage_begin(g, arrive_step, arrived);
}

/* ---- Here ---- */

/* Deadlines that fire on the way are held, or set again where it arrives: when they were to fire is kept. */
static bool leave_step(struct guest *g)
{
	struct moving *m = &g->moving;
	if (devices_leave(g, &m->walk))
		return true;
	for (unsigned n = 0; m->op && n < OPERATIONS_PIECE; n++, m->op = m->op->next)
		deadlines_clear(&guest_worker(g)->deadlines, &m->op->deadline);
	return m->op;
}

static void hand_over(struct guest *g)
{
	struct worker *w = guest_worker(g), *to = g->moving.to;
	struct guest_call *c = g->moving.call;
	g->run = RUN_MOVING;
	c->guest = g;
	c->message.fn = on_arrival;
	atomic_fetch_sub(&w->guests, 1);
	atomic_fetch_add(&to->guests, 1);
	atomic_fetch_add(&w->moves, 1);
	worker_post_arrival(to, &g->worker, &c->message); /* g is another thread's from here on */
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
	worker_forget(w, g);
	vcpu_leave(v, &g->cpu);
	g->cpu.incarnation = incarnation_next(); /* what this worker's vCPU holds is no longer its state */
	g->moving = (struct moving){.to = to, .call = c, .op = g->ops};
	passage_begin(g, leave_step, hand_over);
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
