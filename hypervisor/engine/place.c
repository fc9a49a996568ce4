/* SPDX-License-Identifier: MIT */
/* Spawns that wait for memory with the guests that do: base/pool.h. */
#include <errno.h>
#include <stdlib.h>

#include "base/time.h"
#include "engine/engine_private.h"

#define SPAWN_WANTS 32u /* pages that a spawn is thought to need at first */

struct cassin_place {
	struct frame_pool *pool;
	struct pool_part *part;
	struct want want;
	uint64_t pages; /* that it asked for last, */
	uint64_t since; /* and since when; 0: it does not wait */
};

int cassin_engine_place_take(struct cassin_engine *e, const char *domain, struct cassin_place **out)
{
	struct cassin_place *p = calloc(1, sizeof *p);
	if (p) {
		p->pool = &e->pool;
		p->want.polled = true;
		p->part = pool_part_get(p->pool, domain ? domain : "default");
	}
	if (!p || !p->part) {
		free(p);
		return -ENOMEM;
	}
	*out = p;
	return 0;
}

/* Behind the others of its domain, if that was not so already. */
static void wait_anew(struct cassin_place *p)
{
	want_drop(p->pool, &p->want);
	p->since = monotonic_ns();
	p->pages = SPAWN_WANTS;
	want_wait(p->pool, p->part, &p->want, p->pages, p->since);
}

/* Who waits for ever has what comes free kept for it no longer than a guest has. */
bool cassin_engine_place_begin(struct cassin_place *p)
{
	if (want_waits(p->pool, &p->want) && monotonic_ns() - p->since >= p->pool->patience)
		wait_anew(p);
	if (want_waits(p->pool, &p->want))
		return false;
	p->want.kept.refused = false;
	pool_spend(&p->want.kept);
	return true;
}

void cassin_engine_place_end(struct cassin_place *p, int result)
{
	bool full = result == -ENOMEM && p->want.kept.refused, used_up = !p->want.kept.pages;
	pool_spent(&p->want.kept);
	if (!full) {
		want_drop(p->pool, &p->want);
		p->since = 0;
	} else if (!p->since) {
		wait_anew(p);
	} else {
		p->pages = used_up ? want_more(p->pool, p->pages) : p->pages;
		want_drop(p->pool, &p->want);
		want_wait(p->pool, p->part, &p->want, p->pages, p->since);
	}
}

void cassin_engine_place_leave(struct cassin_place *p)
{
	if (!p)
		return;
	want_drop(p->pool, &p->want);
	pool_part_put(p->pool, p->part);
	free(p);
}
