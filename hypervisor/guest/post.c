/* SPDX-License-Identifier: MIT */
#include "guest/post.h"

#include "guest/guest.h"

static void on_guest_call(struct worker *w, struct message *m)
{
	struct guest_call *c = (struct guest_call *)m;
	struct guest *g = c->guest;
	/* It moved meanwhile; or moved away and is coming back: its arrival is behind this call in the inbox. */
	if (guest_worker(g) != w || g->run == RUN_MOVING) {
		guest_post(g, c, c->fn);
		guest_put(g);
		return;
	}
	uint64_t began = guest_work_begin(g);
	c->fn(g, c);
	guest_worked(g, began);
	guest_put(g);
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

void guest_hold(struct guest *g, struct guest_call *c, void (*fn)(struct guest *g, struct guest_call *c))
{
	prepare(g, c, fn);
	c->message.next = NULL;
	if (g->held.first)
		g->held.last->message.next = &c->message;
	else
		g->held.first = c;
	g->held.last = c;
}

void guest_let_go(struct guest *g)
{
	struct guest_call *c = g->held.first;
	g->held = (struct held_calls){0};
	while (c) {
		struct guest_call *next = (struct guest_call *)c->message.next;
		worker_post(guest_worker(g), &c->message);
		c = next;
	}
}

void guest_post_first(struct worker *w, struct guest *g, struct guest_call *c,
		      void (*fn)(struct guest *g, struct guest_call *c))
{
	prepare(g, c, fn);
	worker_post_arrival(w, &g->worker, &c->message);
}
