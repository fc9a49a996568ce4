/* SPDX-License-Identifier: MIT */
#include "base/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"

#define RECLAIMS_MOST 4u /* tries to have something given back, for one taker */
#define LOOK_MOST 8u     /* of a domain that wait, who are looked at for one that fits */

static _Thread_local struct pool_kept *spending; /* what is taken now is of these */
static _Thread_local struct pool_part *behalf;   /* and what is taken for nobody is for this domain */

static uint64_t load(const atomic_uint_fast64_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

static uint64_t taken_or_kept(struct frame_pool *p)
{
	return load(&p->used) + load(&p->kept_modest) + load(&p->kept_greedy);
}

/* Something has come free. Those with less than their even part take no notice of what is kept for the others. */
static void look(struct frame_pool *p)
{
	if (atomic_load_explicit(&p->waiting, memory_order_relaxed) &&
	    load(&p->used) + load(&p->kept_modest) <= p->limit)
		pool_serve(p);
}

/* ---- What is kept ---- */

static atomic_uint_fast64_t *kept_sum(struct frame_pool *p, const struct pool_kept *k)
{
	return k->modest ? &p->kept_modest : &p->kept_greedy;
}

static void keep_more(struct frame_pool *p, struct pool_kept *k, uint64_t n)
{
	k->pages += n;
	atomic_fetch_add(kept_sum(p, k), n);
	if (k->part)
		atomic_fetch_add_explicit(&k->part->kept, n, memory_order_relaxed);
}

static void keep_less(struct frame_pool *p, struct pool_kept *k, uint64_t n)
{
	k->pages -= n;
	atomic_fetch_sub(kept_sum(p, k), n);
	if (k->part)
		atomic_fetch_sub_explicit(&k->part->kept, n, memory_order_relaxed);
}

void pool_keep(struct frame_pool *p, struct pool_part *part, struct pool_kept *k, uint64_t n)
{
	*k = (struct pool_kept){.part = part, .modest = true};
	keep_more(p, k, n);
}

void pool_keep_no_longer(struct frame_pool *p, struct pool_kept *k)
{
	if (!k->pages)
		return;
	keep_less(p, k, k->pages);
	look(p);
}

void pool_spend(struct pool_kept *k)
{
	k->under = spending;
	spending = k;
}

void pool_spent(struct pool_kept *k)
{
	spending = k->under;
	k->under = NULL;
}

void pool_on_behalf(struct pool_part *part)
{
	behalf = part;
}

/* ---- Taking and giving ---- */

/* Whether it has no more than an even part of the pool when it has n more. */
static bool modest_with(struct frame_pool *p, struct pool_part *part, uint64_t n)
{
	unsigned parts = __atomic_load_n(&p->nparts, __ATOMIC_RELAXED);
	return part && (!parts || load(&part->used) + load(&part->kept) + n <= p->limit / parts);
}

bool pool_part_modest(struct frame_pool *p, struct pool_part *part)
{
	return modest_with(p, part, 0);
}

/* Pages that a domain leaves to others when it has n more. Who takes for nobody is not asked. */
static uint64_t spared_by(struct frame_pool *p, struct pool_part *part, uint64_t n)
{
	return part && !modest_with(p, part, n) ? p->spared : 0;
}

/* Whether there are too many in use, for who has just taken his: with those that are kept from him, or are others' in any case. */
static bool beyond(struct frame_pool *p, struct pool_part *part, uint64_t used)
{
	uint64_t modest = load(&p->kept_modest), greedy = load(&p->kept_greedy);
	struct pool_part *whose = part ? part : behalf;
	if (used + modest + greedy + p->spared <= p->limit)
		return false;
	return used + modest + (pool_part_modest(p, whose) ? 0 : greedy) + spared_by(p, whose, 0) > p->limit;
}

/* Takes up to n pages of those that are kept for the caller. */
static uint64_t spend(struct frame_pool *p, struct pool_kept *k, uint64_t n)
{
	n = n < k->pages ? n : k->pages;
	if (n)
		keep_less(p, k, n);
	return n;
}

bool frame_pool_force(struct frame_pool *p, struct pool_part *part, uint64_t n)
{
	struct pool_kept *k = spending, *under = k ? k->under : NULL;
	uint64_t used = atomic_fetch_add(&p->used, n) + n;
	if (part)
		atomic_fetch_add_explicit(&part->used, n, memory_order_relaxed);
	uint64_t own = k ? spend(p, k, n) : 0, more = under ? spend(p, under, n - own) : 0;
	if (!beyond(p, part, used))
		return true;
	if (own)
		keep_more(p, k, own);
	if (more)
		keep_more(p, under, more);
	if (k)
		k->refused = true;
	return false;
}

int frame_pool_take(struct frame_pool *p, struct pool_part *part, uint64_t n)
{
	if (frame_pool_force(p, part, n))
		return 0;
	atomic_fetch_sub(&p->used, n);
	if (part)
		atomic_fetch_sub_explicit(&part->used, n, memory_order_relaxed);
	return -ENOMEM;
}

void frame_pool_give(struct frame_pool *p, struct pool_part *part, uint64_t n)
{
	atomic_fetch_sub(&p->used, n);
	if (part)
		atomic_fetch_sub_explicit(&part->used, n, memory_order_relaxed);
	look(p);
}

bool frame_pool_reclaim(struct frame_pool *p, unsigned *tries)
{
	return (*tries)++ < RECLAIMS_MOST && p->reclaim && p->reclaim(p->opaque);
}

/* ---- Parts ---- */

struct pool_part *pool_part_get(struct frame_pool *p, const char *domain)
{
	pthread_mutex_lock(&p->lock);
	struct pool_part *part = p->parts;
	while (part && strcmp(part->name, domain) != 0)
		part = part->next;
	if (!part) {
		size_t size = strlen(domain) + 1;
		part = calloc(1, sizeof *part + size);
		if (part) {
			part->name = memcpy(part + 1, domain, size);
			part->next = p->parts;
			p->parts = part;
			__atomic_fetch_add(&p->nparts, 1, __ATOMIC_RELAXED);
		}
	}
	if (part)
		part->refs++;
	pthread_mutex_unlock(&p->lock);
	return part;
}

static void take_out(struct frame_pool *p, struct pool_part *part)
{
	struct pool_part **link = &p->parts;
	while (*link != part)
		link = &(*link)->next;
	*link = part->next;
}

void pool_part_put(struct frame_pool *p, struct pool_part *part)
{
	if (!part)
		return;
	pthread_mutex_lock(&p->lock);
	bool last = !--part->refs;
	if (last) {
		take_out(p, part);
		__atomic_fetch_sub(&p->nparts, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&p->lock);
	if (last)
		free(part);
}

/* ---- Domains of which some wait, in their turn ---- */

static void turns_leave(struct frame_pool *p, struct pool_part *part)
{
	struct pool_part *before = NULL, **link = &p->turns;
	for (; *link != part; link = &(*link)->turn)
		before = *link;
	*link = part->turn;
	part->turn = NULL;
	if (p->turns_end == part)
		p->turns_end = before;
}

static void turns_join(struct frame_pool *p, struct pool_part *part)
{
	if (p->turns_end)
		p->turns_end->turn = part;
	else
		p->turns = part;
	p->turns_end = part;
}

/* Its domain's next turn comes behind those of the others. */
static void had_its_turn(struct frame_pool *p, struct pool_part *part)
{
	if (p->turns_end == part)
		return;
	turns_leave(p, part);
	turns_join(p, part);
}

/* ---- Who waits ---- */

static void keep(struct frame_pool *p, struct want *w)
{
	w->kept.part = w->part;
	w->kept.modest = modest_with(p, w->part, w->pages);
	keep_more(p, &w->kept, w->pages);
}

static void dequeue(struct frame_pool *p, struct want *w)
{
	struct pool_part *part = w->part;
	if (w->before)
		w->before->next = w->next;
	else
		part->first = w->next;
	if (w->next)
		w->next->before = w->before;
	else
		part->last = w->before;
	w->next = w->before = NULL;
	if (p->reserved == w)
		p->reserved = NULL;
	if (!part->first)
		turns_leave(p, part);
	atomic_fetch_sub(&p->waiting, 1);
}

/* Who waits again goes before those that came later. */
static void enqueue(struct frame_pool *p, struct want *w)
{
	struct pool_part *part = w->part;
	bool oldest = part->first && w->since < part->first->since;
	if (!part->first)
		turns_join(p, part);
	w->next = oldest ? part->first : NULL;
	w->before = oldest ? NULL : part->last;
	if (w->before)
		w->before->next = w;
	else
		part->first = w;
	if (w->next)
		w->next->before = w;
	else
		part->last = w;
	atomic_fetch_add(&p->waiting, 1);
}

static struct want *fits(struct frame_pool *p, struct pool_part *part, uint64_t room)
{
	struct want *w = part->first;
	for (unsigned i = 0; w && i < LOOK_MOST; i++, w = w->next) {
		if (w->pages + spared_by(p, part, w->pages) <= room)
			return w;
	}
	return NULL;
}

static void serve(struct frame_pool *p, struct want *w)
{
	had_its_turn(p, w->part);
	dequeue(p, w);
	if (!w->kept.pages)
		keep(p, w);
	w->state = WANT_SERVED;
	if (p->serve && !w->polled)
		p->serve(p->opaque, w);
}

/* One of a domain that has less than its even part, or more, for whom there is room. NULL: there is none. */
static struct want *next_of(struct frame_pool *p, bool modest)
{
	uint64_t taken = load(&p->used) + load(&p->kept_modest) + (modest ? 0 : load(&p->kept_greedy));
	if (taken >= p->limit)
		return NULL;
	for (struct pool_part *part = p->turns; part; part = part->turn) {
		struct want *w = pool_part_modest(p, part) == modest ? fits(p, part, p->limit - taken) : NULL;
		if (w && w != p->reserved)
			return w;
	}
	return NULL;
}

/* From now on what comes free is kept for the one that has waited for long, until it is enough. */
static void reserve(struct frame_pool *p)
{
	if (p->reserved || !p->turns)
		return;
	uint64_t now = monotonic_ns();
	struct want *w = NULL;
	for (struct pool_part *part = p->turns; part; part = part->turn) {
		struct want *first = part->first;
		if (now - first->since >= p->patience / 2 &&
		    first->pages + spared_by(p, part, first->pages) <= p->limit &&
		    (!w || (pool_part_modest(p, part) && !pool_part_modest(p, w->part))))
			w = first;
	}
	if (!w)
		return;
	had_its_turn(p, w->part); /* that it comes to nothing may be its own fault */
	p->reserved = w;
	keep(p, w);
}

static void serve_locked(struct frame_pool *p)
{
	struct want *w;
	reserve(p);
	if (p->reserved && taken_or_kept(p) + spared_by(p, p->reserved->part, 0) <= p->limit)
		serve(p, p->reserved);
	while ((w = next_of(p, true)) || (w = next_of(p, false)))
		serve(p, w);
}

void pool_serve(struct frame_pool *p)
{
	pthread_mutex_lock(&p->lock);
	serve_locked(p);
	pthread_mutex_unlock(&p->lock);
}

void want_wait(struct frame_pool *p, struct pool_part *part, struct want *w, uint64_t pages, uint64_t since)
{
	pthread_mutex_lock(&p->lock);
	w->part = part ? part : &p->nobody;
	w->pages = pages;
	w->since = since;
	w->state = WANT_WAITS;
	enqueue(p, w);
	serve_locked(p);
	pthread_mutex_unlock(&p->lock);
}

bool want_waits(struct frame_pool *p, const struct want *w)
{
	pthread_mutex_lock(&p->lock);
	bool waits = w->state == WANT_WAITS;
	pthread_mutex_unlock(&p->lock);
	return waits;
}

uint64_t want_more(const struct frame_pool *p, uint64_t pages)
{
	uint64_t most = p->limit / 2;
	return pages >= most ? pages : pages * 2 < most ? pages * 2 : most;
}

void want_drop(struct frame_pool *p, struct want *w)
{
	pthread_mutex_lock(&p->lock);
	if (w->state == WANT_WAITS)
		dequeue(p, w);
	if (w->state != WANT_NOTHING)
		keep_less(p, &w->kept, w->kept.pages);
	w->state = WANT_NOTHING;
	if (atomic_load(&p->waiting))
		serve_locked(p);
	pthread_mutex_unlock(&p->lock);
}
