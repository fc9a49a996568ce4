/* SPDX-License-Identifier: MIT */
/* The cells that guests of an engine share. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "engine/engine_account.h"
#include "engine/engine_private.h"

#define FILES_PIECE (UINT64_C(1) << 20)
#define BARREN_NS UINT64_C(50000000)

/* Address space for a cell: guests' quotas overcommit the pool, so a shared cell has room for all of the pool. */
static uint64_t cell_bytes(const struct cassin_engine *e, const struct cassin_guest_spec *spec)
{
	uint64_t pool = e->pool.limit * PAGE_SIZE;
	uint64_t own = spec->memory + spec->memory / 64 + (UINT64_C(1) << 20);
	return spec->isolation == CASSIN_ISOLATION_VM && own < pool ? own : pool;
}

static void destroy(struct cassin_engine *e, struct cell *c)
{
	struct pool_part *part = c->frames.part;
	cell_destroy(c);
	pool_part_put(&e->pool, part);
}

/* Makes a cell that nobody knows yet. */
static int make_cell(struct cassin_engine *e, const struct cassin_guest_spec *spec, struct cell **out,
		     struct cassin_error_text *err)
{
	struct cell *c;
	uint64_t bytes = cell_bytes(e, spec), most = cell_most(e, bytes);
	int r = engine_commit(e, most, spec->name, err);
	if (r)
		return r;
	r = cell_create(&c, e->backend, &e->pool, bytes, e->workers.n, err);
	if (r) {
		engine_uncommit(e, most);
		return r;
	}
	c->committed = most;
	pthread_mutex_lock(&e->cells_lock);
	struct clock clock = e->clock;
	pthread_mutex_unlock(&e->cells_lock);
	c->domain = strdup(spec->domain);
	frames_belong(&c->frames, pool_part_get(&e->pool, spec->domain));
	c->account.part = c->frames.part;
	if (!c->domain || !c->frames.part || cell_clocks_publish(c, &clock)) {
		engine_uncommit(e, most);
		destroy(e, c);
		return cassin_error_set(err, -ENOMEM, "no memory for a cell");
	}
	c->single = spec->isolation == CASSIN_ISOLATION_VM;
	*out = c;
	return 0;
}

/* Everybody may find it from now on; the caller is its first user. The clock may have been steered while the cell was made; its
 * page is there, so that writing it cannot fail. */
static void link_cell(struct cassin_engine *e, struct cell *c)
{
	pthread_mutex_lock(&e->cells_lock);
	cell_clocks_publish(c, &e->clock);
	c->number = e->ncells++;
	c->users = 1;
	c->next = e->cells;
	e->cells = c;
	pthread_mutex_unlock(&e->cells_lock);
}

/* The shared cell of a domain, used by the caller from now on; NULL: there is none. */
static struct cell *find_cell(struct cassin_engine *e, const char *domain)
{
	pthread_mutex_lock(&e->cells_lock);
	struct cell *c = e->cells;
	while (c && (c->single || strcmp(c->domain, domain) != 0))
		c = c->next;
	if (c)
		c->users++;
	pthread_mutex_unlock(&e->cells_lock);
	return c;
}

/* Who makes a shared cell holds `making`, so that a domain has one. Others that find theirs do not wait for it. */
int engine_cell_take(struct cassin_engine *e, const struct cassin_guest_spec *spec, struct cell **out,
		     struct cassin_error_text *err)
{
	bool shared = spec->isolation != CASSIN_ISOLATION_VM;
	int r = 0;
	*out = shared ? find_cell(e, spec->domain) : NULL;
	if (*out)
		return 0;
	if (shared) {
		pthread_mutex_lock(&e->making);
		*out = find_cell(e, spec->domain);
	}
	if (!*out) {
		r = make_cell(e, spec, out, err);
		if (!r)
			link_cell(e, *out);
	}
	if (shared)
		pthread_mutex_unlock(&e->making);
	return r;
}

void engine_cell_leave(struct cassin_engine *e, struct cell *c)
{
	pthread_mutex_lock(&e->cells_lock);
	bool last = !--c->users && (c->single || strcmp(c->domain, "default") != 0);
	for (struct cell **link = &e->cells; last && *link; link = &(*link)->next) {
		if (*link == c) {
			*link = c->next;
			break;
		}
	}
	if (last)
		atomic_fetch_add(&e->flushes_past, atomic_load(&c->flushes));
	pthread_mutex_unlock(&e->cells_lock);
	if (!last)
		return;
	engine_uncommit(e, c->committed);
	destroy(e, c);
}

struct cell *engine_cell_next(struct cassin_engine *e, struct cell *before)
{
	pthread_mutex_lock(&e->cells_lock);
	struct cell *c = before ? before->next : e->cells;
	if (c)
		c->users++;
	pthread_mutex_unlock(&e->cells_lock);
	if (before)
		engine_cell_leave(e, before);
	return c;
}

/* The cell whose flush gives most and harms least, of which the caller is a user; NULL: none would give anything. */
static struct cell *worth_flushing_locked(struct cassin_engine *e)
{
	struct cell *best = NULL;
	uint32_t most = 0;
	bool rests = false;
	for (struct cell *c = e->cells; c; c = c->next) {
		uint32_t n = frames_quarantined(&c->frames);
		bool idle = !atomic_load(&c->busy);
		if (!n || (rests && !idle) || (rests == idle && n <= most))
			continue;
		best = c;
		most = n;
		rests = idle;
	}
	if (best)
		best->users++;
	return best;
}

/* Guests of that cell fault in again what they touch, so whoever asks often waits, however many cells there are: in its turn, by
 * cell_flush_take(). */
static bool flush_one(struct cassin_engine *e)
{
	pthread_mutex_lock(&e->cells_lock);
	struct cell *c = worth_flushing_locked(e);
	uint64_t until = c ? ration_take(&e->reclaims, monotonic_ns()) : 0;
	pthread_mutex_unlock(&e->cells_lock);
	if (!c)
		return false;
	cell_flush_owe(until);
	bool any = cell_flush_quarantine(c);
	engine_cell_leave(e, c);
	return any;
}

/* A piece of what images hold that nobody uses: so many pages in cells, or files of so many bytes and one file more at most. Whoever
 * needs more asks again. */
static bool drop_images(struct cassin_engine *e)
{
	unsigned left = CELL_IMAGES_PIECE;
	bool any = false;
	struct cell *c = engine_cell_next(e, NULL);
	for (; c && left; c = engine_cell_next(e, c))
		any |= cell_images_drop_some(c, &left);
	if (c)
		engine_cell_leave(e, c);
	return any || image_cache_drop(&e->images, FILES_PIECE);
}

/* When nothing was found, it is not worth looking again for a while: many may ask. */
static bool drop_useless(struct cassin_engine *e)
{
	if (monotonic_ns() < atomic_load(&e->barren_until))
		return atomic_load(&e->pool.quarantined) && flush_one(e);
	bool any = drop_images(e);
	any |= flush_one(e);
	if (!any)
		atomic_store(&e->barren_until, monotonic_ns() + BARREN_NS);
	return any;
}

bool engine_reclaim(void *opaque)
{
	struct cassin_engine *e = opaque;
	return drop_useless(e) || engine_reclaim_backend(e);
}

void engine_cells_destroy(struct cassin_engine *e)
{
	while (e->cells) {
		struct cell *c = e->cells;
		e->cells = c->next;
		destroy(e, c);
	}
}
