/* SPDX-License-Identifier: MIT */
#include "guest/swapping.h"

#include <stdlib.h>

#include "base/container.h"
#include "guest/guest.h"
#include "memory/park.h"

static struct guest *guest_of(struct memory_io *io)
{
	return CONTAINER_OF(io, struct guest_swapping, io)->guest;
}

static void post(struct memory_io *io, struct path_job *j)
{
	struct guest *g = guest_of(io);
	atomic_fetch_add(&g->refs, 1);
	paths_post(g->host->swappers, &g->swapping->line, j);
}

static void on_over(struct guest *g, struct guest_call *c)
{
	(void)c;
	atomic_store(&g->swapping->told, false);
	memory_swap_look(&g->memory);
	if (!g->swapping->waits)
		return;
	g->swapping->waits = false;
	if (g->run == RUN_RUNNABLE)
		worker_enqueue(guest_worker(g), g, SHARE_RAN);
	else
		work_schedule(g);
}

/* Who ended meanwhile is told nothing: its worker may be gone. */
static void over(struct memory_io *io, bool wanted)
{
	struct guest *g = guest_of(io);
	if (wanted && !atomic_exchange(&g->swapping->told, true))
		guest_post(g, &g->swapping->call, on_over);
	guest_put(g);
}

struct guest_swapping *guest_swapping_new(struct guest *g)
{
	struct guest_swapping *s = calloc(1, sizeof *s);
	if (s) {
		s->io = (struct memory_io){.swap = g->host->swap, .post = post, .over = over};
		s->guest = g;
	}
	return s;
}

struct memory_io *guest_swap(struct guest *g)
{
	return g->swapping ? &g->swapping->io : NULL;
}
