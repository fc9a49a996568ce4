/* SPDX-License-Identifier: MIT */
#include "engine/owner_call.h"

#include <errno.h>

#include "engine/engine_private.h"

void owner_answer(struct owner_call *w, int result)
{
	struct cassin_engine *e = w->engine;
	pthread_mutex_lock(&e->lock);
	w->result = result;
	w->done = true;
	pthread_cond_broadcast(&e->ended);
	pthread_mutex_unlock(&e->lock);
}

int call_owner(struct cassin_engine *e, struct guest *g, struct owner_call *w,
	       void (*fn)(struct guest *g, struct guest_call *c))
{
	w->engine = e;
	w->done = false;
	pthread_mutex_lock(&e->lock);
	while (!guest_worker(g) && !g->record.removed) /* a spawn of it is under way */
		pthread_cond_wait(&e->ended, &e->lock);
	bool dismissed = !guest_worker(g);
	pthread_mutex_unlock(&e->lock);
	if (dismissed)
		return -ENOENT;
	guest_post(g, &w->call, fn);
	pthread_mutex_lock(&e->lock);
	while (!w->done)
		pthread_cond_wait(&e->ended, &e->lock);
	pthread_mutex_unlock(&e->lock);
	return w->result;
}
