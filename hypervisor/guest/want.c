/* SPDX-License-Identifier: MIT */
#include "guest/want.h"

#include <errno.h>
#include <stdlib.h>

#include "base/container.h"
#include "base/time.h"
#include "guest/guest.h"

static struct frame_pool *pool_of(const struct guest *g)
{
	return g->host->pool;
}

static void show(struct guest *g, bool waits)
{
	g->want->waits = waits;
	if (atomic_exchange(&g->needs_memory, waits) == waits)
		return;
	if (waits)
		atomic_fetch_add(&g->host->wanting, 1);
	else
		atomic_fetch_sub(&g->host->wanting, 1);
}

static void spend_no_more(struct guest_want *n)
{
	if (n->spends)
		pool_spent(&n->want.kept);
	n->spends = false;
}

/* Who was served and starves again asks for more, and keeps its place. What it had left is another's, if others took the rest. */
static void wait(struct guest *g)
{
	struct guest_want *n = g->want;
	uint64_t now = monotonic_ns();
	if (n->served && !n->want.kept.pages)
		n->pages = want_more(pool_of(g), n->pages);
	else if (!n->since)
		n->pages = memory_wants(&g->memory);
	if (!n->since) {
		n->since = now;
		atomic_fetch_add(&g->host->waits, 1);
	}
	show(g, true);
	if (n->served) {
		n->served = false;
		spend_no_more(n);
		want_drop(pool_of(g), &n->want);
	}
	if (!n->told)
		want_wait(pool_of(g), g->account.part, &n->want, n->pages, n->since);
}

static bool make(struct guest *g)
{
	if (!g->want)
		g->want = calloc(1, sizeof *g->want);
	if (g->want)
		g->want->guest = g;
	return g->want;
}

bool guest_starved(struct guest *g, int error)
{
	if (error != -ENOMEM || !memory_starved(&g->memory) || guest_wants_late(g) || !make(g))
		return false;
	if (!g->want->waits)
		wait(g);
	return true;
}

uint64_t guest_want_until(const struct guest *g)
{
	uint64_t patience = pool_of(g)->patience, half = g->want->since + patience / 2;
	return monotonic_ns() < half ? half : g->want->since + patience;
}

static void go_on(struct guest *g)
{
	struct worker *w = guest_worker(g);
	show(g, false);
	deadlines_clear(&w->deadlines, &g->throttle);
	if (g->run == RUN_RUNNABLE)
		worker_enqueue(w, g, SHARE_RAN);
	else
		work_schedule(g);
}

void guest_want_fire(struct guest *g)
{
	if (monotonic_ns() < g->want->since + pool_of(g)->patience) {
		pool_serve(pool_of(g)); /* what comes free is kept for it from now on */
		worker_deadline(guest_worker(g), &g->throttle, guest_want_until(g));
		return;
	}
	want_drop(pool_of(g), &g->want->want);
	g->want->late = true;
	go_on(g);
}

/* The wait is over, whatever came of it. */
static void over(struct guest *g)
{
	struct guest_want *n = g->want;
	spend_no_more(n);
	want_drop(pool_of(g), &n->want);
	n->since = 0;
	n->served = n->late = false;
}

static void on_served(struct guest *g, struct guest_call *c)
{
	(void)c;
	g->want->told = false;
	if (!g->want->waits) { /* it has ended meanwhile, or was too late */
		want_drop(pool_of(g), &g->want->want);
		return;
	}
	g->want->served = true;
	if (g->run == RUN_STOPPED) { /* for as long as its debugger likes */
		show(g, false);
		over(g);
	}
	go_on(g);
}

void guest_want_serve(void *opaque, struct want *w)
{
	struct guest *g = CONTAINER_OF(w, struct guest_want, want)->guest;
	(void)opaque;
	g->want->told = true;
	guest_post(g, &g->want->call, on_served);
}

void guest_want_begin(struct guest *g)
{
	struct guest_want *n = g->want;
	if (!n || !n->served)
		return;
	n->spends = true;
	pool_spend(&n->want.kept);
}

void guest_want_end(struct guest *g)
{
	struct guest_want *n = g->want;
	if (!n || !n->since || n->waits)
		return;
	spend_no_more(n);
	if (g->run != RUN_RUNNABLE && !work_queued(&g->waking))
		over(g);
}

void guest_want_forget(struct guest *g)
{
	if (!g->want || !g->want->since)
		return;
	show(g, false);
	over(g);
}
