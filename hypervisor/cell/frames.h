/* SPDX-License-Identifier: MIT */
/*
 * The frame allocator of a cell: 4 KiB frames, handed out from the bottom up as the cell grows, taken back
 * onto a stack. Pure: it knows numbers, not memory. One mutex; any thread.
 */
#ifndef FRAMES_H
#define FRAMES_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/account.h"
#include "base/types.h"

/* Makes more frames usable: sets *first and *count. 0, -ENOMEM (the cell is full or the host refused). */
typedef int (*frames_grow_fn)(void *opaque, frame_t *first, uint32_t *count);

struct frame_stack {
	frame_t *at;
	uint32_t count, capacity;
};

struct frames {
	pthread_mutex_t lock;
	struct frame_pool *pool;
	struct pool_part *part; /* of the cell's domain; NULL: nobody's */
	frames_grow_fn grow;
	void *opaque;
	frame_t next, end;             /* never used yet: fresh, and zero */
	struct frame_stack free;       /* used before: to be scrubbed */
	struct frame_stack clean;      /* given back to the host meanwhile: read as zero */
	uint32_t idle;                 /* the least that lay in `free` since frames_idle() was last called */
	uint32_t cleaning;             /* between frames_take_idle() and frames_clean() */
	struct frame_stack quarantine; /* freed page tables, until the cell is flushed */
	uint64_t used;
};

/* All of them, those in use too, count for a domain from now on. */
void frames_belong(struct frames *f, struct pool_part *part);
void frames_init(struct frames *f, struct frame_pool *pool, frames_grow_fn grow, void *opaque);
/* Frames that have pages of the host, if all below `populated` were given theirs. */
uint64_t frames_resident(struct frames *f, frame_t populated);
void frames_destroy(struct frames *f); /* gives everything back to the pool */

/* Takes a frame. *fresh: it was never used, so it reads as zero; otherwise the caller must overwrite or scrub
 * it before a guest can see it. 0; -ENOMEM: the pool is full; -ENOSPC: the cell is, or the host refused. */
int frames_alloc(struct frames *f, frame_t *out, bool *fresh);
/* Gives frames back. */
void frames_free(struct frames *f, const frame_t *at, size_t n);
/* Gives page-table frames back; they stay out of use until frames_release(). Returns how many wait. */
uint32_t frames_quarantine(struct frames *f, const frame_t *at, size_t n);
/* How many wait now; after the caller has flushed the cell it releases that many (the oldest). */
uint32_t frames_quarantined(struct frames *f);
void frames_release(struct frames *f, uint32_t n);
uint64_t frames_used(struct frames *f);
/* For giving memory back to the host: how many of the free frames nobody has needed since the last call. */
uint32_t frames_idle(struct frames *f);
/* Takes up to `most` free frames, which the caller makes read as zero and hands to frames_clean(). */
uint32_t frames_take_idle(struct frames *f, frame_t *at, uint32_t most);
void frames_clean(struct frames *f, const frame_t *at, size_t n);

#endif
