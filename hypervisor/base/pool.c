/* SPDX-License-Identifier: MIT */
#include "base/pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"

#define RECLAIMS_MOST 4u /* tries to have something given back, for one taker */
#define LOOK_MOST 8u     /* of a domain that wait, who are looked at for one that fits */

static _Thread_local bool served; /* what is done now is for one that was */

static uint64_t load(const atomic_uint_fast64_t *n)
{
	return atomic_load_explicit(n, memory_order_relaxed);
}

static uint64_t taken_or_kept(struct frame_pool *p)
{
	return load(&p->used) + load(&p->kept_modest) + load(&p->kept_greedy);
}

/* Something has come free. */
static void look(struct frame_pool *p)
{
	if (atomic_load_explicit(&p->waiting, memory_order_relaxed) && taken_or_kept(p) <= p->limit)
		pool_serve(p);
}

bool pool_served(bool yes)
{
	bool before = served;
	served = yes;
	return before;
}

void pool_keep(struct frame_pool *p, uint64_t n)
{
	atomic_fetch_add(&p->kept_modest, n);
}

void pool_keep_no_longer(struct frame_pool *p, uint64_t n)
{
	atomic_fetch_sub(&p->kept_modest, n);
	if (n)
		look(p);
}

/* ---- Taking and giving ---- */

bool pool_part_modest(struct frame_pool *p, struct pool_part *part)
{
	unsigned n = __atomic_load_n(&p->nparts, __ATOMIC_RELAXED);
	return part && (!n || load(&part->used) <= p->limit / n);
}

/* Pages that are kept from this taker. */
static uint64_t kept_from(struct frame_pool *p, struct pool_part *part)
{
	uint64_t modest = load(&p->kept_modest), greedy = load(&p->kept_greedy);
	if (modest + greedy == 0 || served)
		return 0;
	return pool_part_modest(p, part) ? modest : modest + greedy;
}

bool frame_pool_force(struct frame_pool *p, struct pool_part *part, uint64_t n)
{
	uint64_t used = atomic_fetch_add(&p->used, n) + n;
	if (part)
		atomic_fetch_add_explicit(&part->used, n, memory_order_relaxed);
	return used + kept_from(p, part) <= p->limit;
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

/* ---- Who waits ---- */

static atomic_uint_fast64_t *kept(struct frame_pool *p, const struct want *w)
{
	return w->modest ? &p->kept_modest : &p->kept_greedy;
}

static void keep(struct frame_pool *p, struct want *w)
{
	w->modest = pool_part_modest(p, w->part);
	w->kept = w->pages;
	atomic_fetch_add(kept(p, w), w->kept);
}

static void keep_no_longer(struct frame_pool *p, struct want *w)
{
	atomic_fetch_sub(kept(p, w), w->kept);
	w->kept = 0;
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
	atomic_fetch_sub(&p->waiting, 1);
}

/* Who waits again goes before those that came later. */
static void enqueue(struct frame_pool *p, struct want *w)
{
	struct pool_part *part = w->part;
	bool oldest = part->first && w->since < part->first->since;
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

static struct want *fits(const struct pool_part *part, uint64_t room)
{
	struct want *w = part->first;
	for (unsigned i = 0; w && i < LOOK_MOST; i++, w = w->next) {
		if (w->pages <= room)
			return w;
	}
	return NULL;
}

/* Its domain's next turn comes behind those of the others. */
static void had_its_turn(struct frame_pool *p, struct pool_part *part)
{
	struct pool_part **end;
	if (part == &p->nobody)
		return;
	take_out(p, part);
	for (end = &p->parts; *end;)
		end = &(*end)->next;
	part->next = NULL;
	*end = part;
}

static void serve(struct frame_pool *p, struct want *w)
{
	dequeue(p, w);
	if (!w->kept)
		keep(p, w);
	w->state = WANT_SERVED;
	had_its_turn(p, w->part);
	if (p->serve)
		p->serve(p->opaque, w);
}

/* The parts in their turn; NULL is the first one's predecessor, and what comes behind the last. */
static struct pool_part *part_after(struct frame_pool *p, struct pool_part *part)
{
	return !part ? &p->nobody : part == &p->nobody ? p->parts : part->next;
}

/* One for whom there is room, of a domain that has less than its even part, or more. */
static struct want *next_of(struct frame_pool *p, bool modest, uint64_t room)
{
	for (struct pool_part *part = part_after(p, NULL); part; part = part_after(p, part)) {
		struct want *w = pool_part_modest(p, part) == modest ? fits(part, room) : NULL;
		if (w)
			return w;
	}
	return NULL;
}

/* From now on what comes free is kept for the one that has waited for long, until it is enough. */
static void reserve(struct frame_pool *p)
{
	uint64_t now = monotonic_ns();
	struct want *w = NULL;
	for (struct pool_part *part = part_after(p, NULL); part && !p->reserved; part = part_after(p, part)) {
		struct want *first = part->first;
		if (first && now - first->since >= p->patience / 2 && first->pages <= p->limit &&
		    (!w || (pool_part_modest(p, part) && !pool_part_modest(p, w->part))))
			w = first;
	}
	if (!w)
		return;
	p->reserved = w;
	keep(p, w);
}

static void serve_locked(struct frame_pool *p)
{
	reserve(p);
	if (p->reserved && taken_or_kept(p) <= p->limit)
		serve(p, p->reserved);
	for (uint64_t taken; (taken = taken_or_kept(p)) < p->limit;) {
		struct want *w = next_of(p, true, p->limit - taken);
		if (!w)
			w = next_of(p, false, p->limit - taken);
		if (!w)
			return;
		serve(p, w);
	}
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

void want_drop(struct frame_pool *p, struct want *w)
{
	pthread_mutex_lock(&p->lock);
	if (w->state == WANT_WAITS)
		dequeue(p, w);
	if (w->state != WANT_NOTHING)
		keep_no_longer(p, w);
	w->state = WANT_NOTHING;
	if (atomic_load(&p->waiting))
		serve_locked(p);
	pthread_mutex_unlock(&p->lock);
}
