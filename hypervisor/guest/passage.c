/* SPDX-License-Identifier: MIT */
#include "guest/passage.h"

#include "guest/guest.h"

static void enqueue(struct worker *w, struct guest *g)
{
	g->passage.next = NULL;
	if (w->passing)
		w->passing_last->passage.next = g;
	else
		w->passing = g;
	w->passing_last = g;
	worker_entered(w, g);
}

void passage_begin(struct guest *g, bool (*step)(struct guest *g), void (*done)(struct guest *g))
{
	unsigned left = PASSAGE_AT_ONCE;
	bool more = true;
	g->run = RUN_PASSAGE;
	g->passage.step = step;
	g->passage.done = done;
	uint64_t began = guest_work_begin(g);
	for (; more && left; left--)
		more = step(g);
	guest_worked(g, began);
	if (more)
		enqueue(guest_worker(g), g);
	else
		done(g);
}

void passage_over(struct guest *g)
{
	guest_let_go(g);
}

void passage_then(struct guest *g, struct guest_call *c, void (*fn)(struct guest *g, struct guest_call *c))
{
	if (g->run == RUN_PASSAGE)
		guest_hold(g, c, fn);
	else
		fn(g, c);
}

struct guest *passage_next(struct worker *w)
{
	struct guest *g = w->passing;
	w->passed = g && (!w->passed || !w->schedule.count);
	if (!w->passed)
		return NULL;
	w->passing = g->passage.next;
	return g;
}

/* A message does not end the turn: each of its own pipes sends one when it is closed. */
bool passage_run(struct worker *w, struct guest *g)
{
	bool more;
	uint64_t began = guest_work_begin(g);
	do
		more = g->passage.step(g);
	while (more && !w->kick.kicked);
	guest_worked(g, began);
	worker_left(w, g);
	if (more)
		enqueue(w, g);
	return more;
}

void passage_finish(struct guest *g)
{
	g->passage.done(g);
}
