/* SPDX-License-Identifier: MIT */
#include "guest/work.h"

#include "base/time.h"
#include "guest/guest.h"

#define OWED_AT_ONCE_NS (CHARGE_MOST_NS / 2)

/* ---- Charging ---- */

static uint64_t spent_on(struct path_line *l)
{
	if (!atomic_load_explicit(&l->spent, memory_order_relaxed))
		return 0;
	return atomic_exchange_explicit(&l->spent, 0, memory_order_relaxed);
}

/* No more at once than the policy of shares takes notice of. */
static uint64_t spent_by_backend(struct guest *g)
{
	uint64_t *owed = &g->cpu.owed_ns, ns = *owed < OWED_AT_ONCE_NS ? *owed : OWED_AT_ONCE_NS;
	*owed -= ns;
	return ns;
}

/* What threads for paths and for the swap file, and its backend, have done for it since. */
static uint64_t spent_elsewhere(struct guest *g)
{
	uint64_t ns = (g->paths ? spent_on(g->paths) : 0) + spent_by_backend(g);
	if (g->swapping)
		ns += spent_on(&g->swapping->line);
	if (ns)
		atomic_fetch_add_explicit(&g->count.work_ns, ns, memory_order_relaxed);
	return ns;
}

void guest_charge_turn(struct guest *g, uint64_t ns)
{
	ns += spent_elsewhere(g);
	share_charge(&g->share, ns + g->work.owed);
	g->work.owed = 0;
	bandwidth_charge(g->cap, ns);
}

/* A share in a queue keeps its place there: what is charged meanwhile is owed until its turn. */
static void charge(struct guest *g, uint64_t ns)
{
	if (g->share.queued)
		g->work.owed += ns;
	else
		share_charge_idle(&g->share, &guest_worker(g)->schedule, ns);
	bandwidth_charge(g->cap, ns);
	atomic_fetch_add_explicit(&g->count.work_ns, ns, memory_order_relaxed);
}

uint64_t guest_work_begin(struct guest *g)
{
	if (g->run == RUN_ON_CPU || g->work.inside)
		return 0;
	g->work.inside = true;
	return monotonic_ns();
}

/* What was done at once in the worker's present look at its loop. */
static uint64_t *at_once(struct guest *g)
{
	struct work_list *l = &g->work;
	const struct worker *w = guest_worker(g);
	if (l->look != w->looks) {
		l->look = w->looks;
		l->ns = 0;
	}
	return &l->ns;
}

void guest_worked(struct guest *g, uint64_t began)
{
	if (!began)
		return;
	uint64_t now = monotonic_ns();
	g->work.inside = false;
	g->work.ended = now;
	g->work.pieces = 0;
	*at_once(g) += now - began;
	charge(g, now - began);
}

/* ---- At once ---- */

static bool cap_used_up(struct guest *g)
{
	uint64_t until;
	return g->cap && !bandwidth_left(g->cap, monotonic_ns(), &until);
}

/* What is to be done next; NULL: nothing. */
static struct work *next_work(const struct guest *g)
{
	return g->work.ahead ? g->work.ahead : g->work.first;
}

bool work_at_once(struct guest *g)
{
	if (g->run == RUN_ON_CPU || g->work.on)
		return true;
	if (next_work(g) || *at_once(g) >= WORK_AT_ONCE_NS || cap_used_up(g))
		return false;
	g->work.pieces = WORK_PIECES;
	return true;
}

bool work_goes_on(struct guest *g)
{
	struct work_list *l = &g->work;
	if (g->run == RUN_ON_CPU || l->on)
		return !kick_due(&guest_worker(g)->kick);
	if (l->pieces)
		l->pieces--;
	return l->pieces;
}

/* ---- Later ---- */

static void put(struct work **link, struct work *work)
{
	work->next = NULL;
	work->link = link;
	*link = work;
}

void work_later(struct guest *g, struct work *work)
{
	struct work_list *l = &g->work;
	if (work_queued(work))
		return;
	put(l->end ? l->end : &l->first, work);
	l->end = &work->next;
	work_schedule(g);
}

void work_ahead(struct guest *g, struct work *work)
{
	if (work_queued(work))
		return;
	put(&g->work.ahead, work);
	work_schedule(g);
}

void work_drop(struct guest *g, struct work *work)
{
	struct work_list *l = &g->work;
	if (!work_queued(work))
		return;
	*work->link = work->next;
	if (work->next)
		work->next->link = work->link;
	else if (work->link != &l->ahead)
		l->end = work->link;
	work->link = NULL;
}

bool guest_wakes_first(struct guest *g)
{
	if (!memory_sleeps(&g->memory) && !g->held_ops.first && !guest_wants(g))
		return false;
	work_ahead(g, &g->waking);
	return true;
}

void work_schedule(struct guest *g)
{
	if (next_work(g) && !g->work.on && (g->run == RUN_BLOCKED || g->run == RUN_STOPPED))
		worker_enqueue_work(guest_worker(g), g);
}

bool work_due(const struct guest *g)
{
	return g->work.ahead || (g->work.first && (g->run != RUN_RUNNABLE || !g->work.had_turn));
}

void work_run(struct worker *w, struct guest *g)
{
	uint64_t began = guest_work_begin(g);
	guest_want_begin(g);
	g->work.on = g->work.had_turn = true;
	do {
		struct work *work = next_work(g);
		work_drop(g, work);
		work->fn(work);
	} while (next_work(g) && !kick_due(&w->kick) && !guest_pauses(g));
	g->work.on = false;
	guest_want_end(g);
	guest_worked(g, began);
}
