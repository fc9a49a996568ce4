/* SPDX-License-Identifier: MIT */
#include "cell/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void frames_init(struct frames *f, struct frame_pool *pool, frames_grow_fn grow, void *opaque)
{
	memset(f, 0, sizeof *f);
	pthread_mutex_init(&f->lock, NULL);
	f->pool = pool;
	f->grow = grow;
	f->opaque = opaque;
}

void frames_destroy(struct frames *f)
{
	atomic_fetch_sub(&f->pool->quarantined, f->quarantine.count);
	frame_pool_give(f->pool, f->part, f->used);
	free(f->free.at);
	free(f->clean.at);
	free(f->quarantine.at);
	pthread_mutex_destroy(&f->lock);
}

/* Makes room for n more. The stacks never hold more than was handed out, so room is made at hand-out time
 * and giving back cannot fail. */
static int stack_reserve(struct frame_stack *s, uint64_t need)
{
	if (need <= s->capacity)
		return 0;
	uint64_t capacity = need + need / 2 + 64;
	frame_t *at = realloc(s->at, capacity * sizeof *at);
	if (!at)
		return -ENOSPC;
	s->at = at;
	s->capacity = (uint32_t)capacity;
	return 0;
}

static int alloc_locked(struct frames *f, frame_t *out, bool *fresh)
{
	uint64_t known = f->used + 1 + f->free.count + f->clean.count + f->cleaning;
	int r = stack_reserve(&f->free, known);
	if (!r)
		r = stack_reserve(&f->clean, known);
	if (!r)
		r = stack_reserve(&f->quarantine, f->used + 1);
	if (r)
		return r;
	if (f->free.count) {
		*out = f->free.at[--f->free.count];
		*fresh = false;
		if (f->idle > f->free.count)
			f->idle = f->free.count;
		return 0;
	}
	if (f->clean.count) {
		*out = f->clean.at[--f->clean.count];
		*fresh = true;
		return 0;
	}
	if (f->next == f->end) {
		frame_t first;
		uint32_t count;
		if (f->grow(f->opaque, &first, &count))
			return -ENOSPC;
		f->next = first;
		f->end = first + count;
	}
	*out = f->next++;
	*fresh = true;
	return 0;
}

int frames_alloc(struct frames *f, frame_t *out, bool *fresh)
{
	int r = frame_pool_take(f->pool, f->part, 1);
	if (r)
		return r;
	pthread_mutex_lock(&f->lock);
	r = alloc_locked(f, out, fresh);
	if (!r)
		f->used++;
	pthread_mutex_unlock(&f->lock);
	if (r)
		frame_pool_give(f->pool, f->part, 1);
	return r;
}

void frames_belong(struct frames *f, struct pool_part *part)
{
	pthread_mutex_lock(&f->lock);
	f->part = part;
	if (part)
		atomic_fetch_add(&part->used, f->used);
	pthread_mutex_unlock(&f->lock);
}

void frames_free(struct frames *f, const frame_t *at, size_t n)
{
	pthread_mutex_lock(&f->lock);
	memcpy(f->free.at + f->free.count, at, n * sizeof *at);
	f->free.count += (uint32_t)n;
	f->used -= n;
	pthread_mutex_unlock(&f->lock);
	frame_pool_give(f->pool, f->part, n);
}

uint32_t frames_quarantine(struct frames *f, const frame_t *at, size_t n)
{
	pthread_mutex_lock(&f->lock);
	memcpy(f->quarantine.at + f->quarantine.count, at, n * sizeof *at);
	f->quarantine.count += (uint32_t)n;
	atomic_fetch_add(&f->pool->quarantined, n);
	uint32_t waiting = f->quarantine.count;
	pthread_mutex_unlock(&f->lock);
	return waiting;
}

uint32_t frames_quarantined(struct frames *f)
{
	pthread_mutex_lock(&f->lock);
	uint32_t waiting = f->quarantine.count;
	pthread_mutex_unlock(&f->lock);
	return waiting;
}

void frames_release(struct frames *f, uint32_t n)
{
	pthread_mutex_lock(&f->lock);
	struct frame_stack *q = &f->quarantine;
	memcpy(f->free.at + f->free.count, q->at, n * sizeof *q->at);
	f->free.count += n;
	memmove(q->at, q->at + n, (q->count - n) * sizeof *q->at);
	q->count -= n;
	atomic_fetch_sub(&f->pool->quarantined, n);
	f->used -= n;
	pthread_mutex_unlock(&f->lock);
	frame_pool_give(f->pool, f->part, n);
}

uint64_t frames_used(struct frames *f)
{
	pthread_mutex_lock(&f->lock);
	uint64_t used = f->used;
	pthread_mutex_unlock(&f->lock);
	return used;
}

uint64_t frames_resident(struct frames *f, frame_t populated)
{
	pthread_mutex_lock(&f->lock);
	frame_t touched = f->next > populated ? f->next : populated;
	uint64_t n = touched > f->clean.count ? touched - f->clean.count : 0;
	pthread_mutex_unlock(&f->lock);
	return n;
}

uint32_t frames_idle(struct frames *f)
{
	pthread_mutex_lock(&f->lock);
	uint32_t n = f->idle;
	f->idle = f->free.count;
	pthread_mutex_unlock(&f->lock);
	return n;
}

uint32_t frames_take_idle(struct frames *f, frame_t *at, uint32_t most)
{
	pthread_mutex_lock(&f->lock);
	uint32_t n = f->free.count < most ? f->free.count : most;
	f->free.count -= n;
	memcpy(at, f->free.at + f->free.count, n * sizeof *at);
	if (f->idle > f->free.count)
		f->idle = f->free.count;
	f->cleaning += n;
	pthread_mutex_unlock(&f->lock);
	return n;
}

void frames_clean(struct frames *f, const frame_t *at, size_t n)
{
	pthread_mutex_lock(&f->lock);
	memcpy(f->clean.at + f->clean.count, at, n * sizeof *at);
	f->clean.count += (uint32_t)n;
	f->cleaning -= (uint32_t)n;
	pthread_mutex_unlock(&f->lock);
}
