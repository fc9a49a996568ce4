/* SPDX-License-Identifier: MIT */
#include "cell/cell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/time.h"
#include "cell/reach.h"
#include "cell/vcpu.h"

#define GIB (UINT64_C(1) << 30)
#define MIB (UINT64_C(1) << 20)
#define SLOT_SIZE (64 * MIB)
#define FLUSH_EVERY_NS UINT64_C(50000000) /* whoever causes more flushes waits */
#define RETURN_MOST 8192u                 /* frames given back to the host at a time, */
#define RETURN_TICK 65536u                /* and in one call */
#define POPULATE_MOST 64u                 /* frames whose pages are asked of the host at a time, */
#define POPULATE_SHARE 8u                 /* and one for each so many that there are */

/* frames_grow_fn: the next slot of the reservation. Called under the allocator's lock. */
static int cell_grow(void *opaque, frame_t *first, uint32_t *count)
{
	struct cell *c = opaque;
	if (c->grown >= c->size)
		return -ENOMEM;
	uint64_t at = c->grown, size = c->size - at < c->slot_size ? c->size - at : c->slot_size;
	int r = c->backend->ops->cell_grow(c, &at, &size);
	if (r)
		return r;
	*first = (frame_t)(at >> PAGE_SHIFT);
	*count = (uint32_t)(size >> PAGE_SHIFT);
	if (at == 0) { /* frame 0 is FRAME_NONE */
		++*first;
		--*count;
	}
	c->grown = at + size;
	return 0;
}

int cell_create(struct cell **out, const struct backend *b, struct frame_pool *pool, uint64_t bytes, unsigned workers,
		struct cassin_error_text *err)
{
	uint64_t size = cell_size(bytes);
	if (!size)
		return cassin_error_set(err, -E2BIG, "a cell cannot have %llu GiB: its monitor reaches %llu GiB",
					(unsigned long long)(bytes / GIB), (unsigned long long)(CELL_BYTES_MOST / GIB));
	struct cell *c = calloc(1, b->ops->cell_size);
	if (!c)
		return cassin_error_set(err, -ENOMEM, "no memory for a cell");
	c->backend = b;
	c->workers = workers;
	c->flush_ration.every = FLUSH_EVERY_NS;
	c->size = size;
	c->slot_size = c->size < SLOT_SIZE ? c->size : SLOT_SIZE;
	c->memory = MAP_FAILED;
	pthread_mutex_init(&c->lock, NULL);
	frames_init(&c->frames, pool, cell_grow, c);
	account_init(&c->account, pool, UINT64_MAX);
	int r = b->ops->cell_open(c, err);
	if (r) {
		cell_destroy(c);
		return r;
	}
	*out = c;
	return 0;
}

void cell_destroy(struct cell *c)
{
	for (unsigned w = 0; w < WORKERS_MAX; w++)
		vcpu_destroy(c->vcpus[w]);
	while (c->images)
		cell_image_free(c, c->images);
	cell_images_collect(c);
	cell_clocks_free(c);
	c->backend->ops->cell_close(c);
	if (c->memory != MAP_FAILED)
		munmap(c->memory, c->size);
	frames_destroy(&c->frames);
	pthread_mutex_destroy(&c->lock);
	free(c->domain);
	free(c);
}

/* Until when the guest is to wait whose turn this thread has: it has caused flushes. 0: it need not. */
static _Thread_local uint64_t owed_until;

uint64_t cell_flush_owed(void)
{
	return owed_until;
}

uint64_t cell_flush_take(void)
{
	uint64_t until = owed_until;
	owed_until = 0;
	return until;
}

void cell_flush_owe(uint64_t until)
{
	owed_until = until > owed_until ? until : owed_until;
}

static void flush_locked(struct cell *c)
{
	if (!c->backend->ops->cell_flush)
		return;
	c->backend->ops->cell_flush(c);
	atomic_fetch_add(&c->flushes, 1);
	cell_flush_owe(ration_take(&c->flush_ration, monotonic_ns()));
}

/* Frees the quarantine when it holds at least `least`. */
static bool release_locked(struct cell *c, uint32_t least)
{
	uint32_t waiting = frames_quarantined(&c->frames);
	if (waiting < least)
		return false;
	flush_locked(c);
	frames_release(&c->frames, waiting);
	return true;
}

/* The first touch of a page that the host has not given yet is an exception, here or below the guest, and KVM maps ahead
 * only what is there: pages come in runs, before they are needed. */
static void populate(struct cell *c, frame_t f)
{
	frame_t from = atomic_load_explicit(&c->populated, memory_order_relaxed);
	if (f < from)
		return;
	uint32_t n = f / POPULATE_SHARE < POPULATE_MOST ? f / POPULATE_SHARE : POPULATE_MOST;
	uint64_t end = c->size >> PAGE_SHIFT, to = f + 1 + n < end ? f + 1 + n : end;
	if (atomic_compare_exchange_strong(&c->populated, &from, (frame_t)to))
		madvise(cell_frame(c, f), (size_t)(to - f) << PAGE_SHIFT,
			MADV_POPULATE_WRITE); /* else they come one by one */
}

int cell_frame_alloc_locked(struct cell *c, frame_t *out, bool *fresh)
{
	int r = frames_alloc(&c->frames, out, fresh);
	if (r && release_locked(c, 1))
		r = frames_alloc(&c->frames, out, fresh);
	return r;
}

int cell_frame_alloc(struct cell *c, frame_t *out, bool *fresh)
{
	int r = frames_alloc(&c->frames, out, fresh);
	if (!r) {
		populate(c, *out);
		return 0;
	}
	pthread_mutex_lock(&c->lock);
	r = cell_frame_alloc_locked(c, out, fresh);
	pthread_mutex_unlock(&c->lock);
	for (unsigned tries = 0; r == -ENOMEM && cell_reclaim(c, &tries);)
		r = frames_alloc(&c->frames, out, fresh);
	return r;
}

bool cell_reclaim(struct cell *c, unsigned *tries)
{
	return frame_pool_reclaim(c->frames.pool, tries);
}

bool cell_flush_quarantine(struct cell *c)
{
	pthread_mutex_lock(&c->lock);
	bool any = release_locked(c, 1);
	pthread_mutex_unlock(&c->lock);
	return any;
}

int cell_frame_zero(struct cell *c, frame_t *out)
{
	bool fresh;
	int r = cell_frame_alloc(c, out, &fresh);
	if (!r && !fresh)
		memset(cell_frame(c, *out), 0, PAGE_SIZE);
	return r;
}

void cell_flush(struct cell *c)
{
	pthread_mutex_lock(&c->lock);
	flush_locked(c);
	pthread_mutex_unlock(&c->lock);
}

void cell_tables_free(struct cell *c, const frame_t *at, size_t n)
{
	if (frames_quarantine(&c->frames, at, n) < CELL_QUARANTINE_MOST)
		return;
	pthread_mutex_lock(&c->lock);
	release_locked(c, CELL_QUARANTINE_MOST);
	pthread_mutex_unlock(&c->lock);
}

void cell_trim(struct cell *c)
{
	cell_images_trim(c);
	pthread_mutex_lock(&c->lock);
	c->backend->ops->cell_trim(c);
	release_locked(c, 1);
	pthread_mutex_unlock(&c->lock);
}

static int compare_frames(const void *a, const void *b)
{
	frame_t x = *(const frame_t *)a, y = *(const frame_t *)b;
	return (x > y) - (x < y);
}

static uint32_t return_some(struct cell *c, uint32_t most)
{
	frame_t idle[RETURN_MOST];
	uint32_t n = frames_take_idle(&c->frames, idle, most < RETURN_MOST ? most : RETURN_MOST);
	qsort(idle, n, sizeof *idle, compare_frames);
	for (uint32_t from = 0, to; from < n; from = to) {
		to = from + 1;
		while (to < n && idle[to] == idle[to - 1] + 1)
			to++;
		if (c->backend->ops->cell_give_back(c, idle[from], to - from))
			memset(cell_frame(c, idle[from]), 0, (to - from) * (size_t)PAGE_SIZE);
	}
	frames_clean(&c->frames, idle, n);
	return n;
}

void cell_return(struct cell *c, bool rest)
{
	uint32_t idle = frames_idle(&c->frames), left = rest ? idle : idle / 2, n;
	for (left = left < RETURN_TICK ? left : RETURN_TICK; left; left -= n) {
		n = return_some(c, left);
		if (!n)
			return;
	}
}
