/* SPDX-License-Identifier: MIT */
#include "guest/post.h"

#include "guest/guest.h"

#define HELD_AT_ONCE 256u /* calls that were held, in one look at the loop */

static void carry_out(struct guest *g, struct guest_call *c)
{
	uint64_t began = guest_work_begin(g);
	c->fn(g, c);
	guest_worked(g, began);
	guest_put(g);
}

static void append(struct guest *g, struct guest_call *c)
{
	c->message.next = NULL;
	if (g->held.first)
		g->held.last->message.next = &c->message;
	else
		g->held.first = c;
	g->held.last = c;
}

static void on_guest_call(struct worker *w, struct message *m)
{
	struct guest_call *c = (struct guest_call *)m;
	struct guest *g = c->guest;
	/* The guest moved meanwhile; or moved away and is coming back: its arrival is behind this call in the inbox. */
	if (guest_worker(g) != w || g->run == RUN_MOVING) {
		guest_post(g, c, c->fn);
		guest_put(g);
	} else if (c != &g->held.release && (g->run == RUN_PASSAGE || g->held.released)) {
		append(g, c); /* behind those that came before */
	} else {
		carry_out(g, c);
	}
}

static void prepare(struct guest *g, struct guest_call *c, void (*fn)(struct guest *g, struct guest_call *c))
{
	atomic_fetch_add(&g->refs, 1);
	c->guest = g;
	c->fn = fn;
	c->message.fn = on_guest_call;
}

void guest_post(struct guest *g, struct guest_call *c, void (*fn)(struct guest *g, struct guest_call *c))
{
	prepare(g, c, fn);
	worker_post(guest_worker(g), &c->message);
}

/* ---- Held ---- */

void guest_hold(struct guest *g, struct guest_call *c, void (*fn)(struct guest *g, struct guest_call *c))
{
	prepare(g, c, fn);
	append(g, c);
}

static struct guest_call *next_of(const struct guest_call *c)
{
	return (struct guest_call *)c->message.next;
}

/* What is held meanwhile comes after these. */
static void put_back(struct guest *g, struct guest_call *c, struct guest_call *last)
{
	last->message.next = g->held.first ? &g->held.first->message : NULL;
	if (!g->held.first)
		g->held.last = last;
	g->held.first = c;
}

/* One of them may begin a passage, for which the others wait in turn. */
static void on_release(struct guest *g, struct guest_call *release)
{
	struct guest_call *c = g->held.first, *last = g->held.last;
	(void)release;
	g->held.first = NULL;
	for (unsigned n = 0; c && n < HELD_AT_ONCE && g->run != RUN_PASSAGE; n++) {
		struct guest_call *next = next_of(c);
		carry_out(g, c);
		c = next;
	}
	g->held.released = false;
	if (!c)
		return;
	put_back(g, c, last);
	if (g->run != RUN_PASSAGE)
		guest_let_go(g);
}

void guest_let_go(struct guest *g)
{
	if (!g->held.first || g->held.released)
		return;
	g->held.released = true;
	guest_post(g, &g->held.release, on_release);
}

void guest_post_first(struct worker *w, struct guest *g, struct guest_call *c,
		      void (*fn)(struct guest *g, struct guest_call *c))
{
	prepare(g, c, fn);
	worker_post_arrival(w, &g->worker, &c->message);
}
