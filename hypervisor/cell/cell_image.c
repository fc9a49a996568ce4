/* SPDX-License-Identifier: MIT */
/* Pages of images and templates in the frames of a cell, shared by its guests. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell/cell.h"

#define HOT_FROZEN 8u
#define FREE_PIECE CELL_IMAGES_PIECE   /* frames given back, */
#define FREE_BYTES (UINT64_C(1) << 20) /* and bytes of a file or a template freed in one piece */
#define IDLE_IMAGES 8u                 /* without a guest, kept for the next spawn, */
#define IDLE_BYTES (UINT64_C(4) << 20) /* if what they keep from being freed is no more than this */

static uint64_t count_pages(const struct image *image)
{
	uint64_t n = 0;
	for (size_t i = 0; i < image->nsegments; i++)
		n += image->segments[i].pages;
	return n;
}

static struct cell_image *make(struct image *image, struct frozen *frozen)
{
	struct cell_image *ci = calloc(1, sizeof *ci);
	if (!ci)
		return NULL;
	ci->npages = count_pages(image);
	ci->frames = calloc(ci->npages, sizeof *ci->frames);
	ci->frozen_frames = calloc(frozen ? frozen->npages + 1 : 1, sizeof *ci->frozen_frames);
	if (!ci->frames || !ci->frozen_frames) {
		free(ci->frames);
		free(ci->frozen_frames);
		free(ci);
		return NULL;
	}
	ci->image = image_get(image);
	ci->frozen = frozen_get(frozen);
	/* What the template's guest wrote to while it booted, its clones will surely write to: if it is little. */
	for (uint64_t i = 0; frozen && frozen->npages <= HOT_FROZEN && i < frozen->npages; i++)
		ci->boot_pages[ci->nboot_pages++] = (uint32_t)frozen->page[i];
	return ci;
}

struct cell_image *cell_image_get(struct cell *c, struct image *image, struct frozen *frozen)
{
	pthread_mutex_lock(&c->lock);
	struct cell_image *ci = c->images;
	const struct cell_image *full = NULL;
	for (; ci; ci = ci->next) {
		if (ci->image != image || ci->frozen != frozen)
			continue;
		if (ci->guests < SHARERS_MOST)
			break;
		full = ci;
	}
	if (!ci) {
		ci = make(image, frozen);
		if (ci) {
			if (full) {
				ci->nboot_pages = full->nboot_pages;
				memcpy(ci->boot_pages, full->boot_pages, sizeof ci->boot_pages);
			}
			ci->next = c->images;
			c->images = ci;
		}
	}
	if (ci)
		ci->guests++;
	pthread_mutex_unlock(&c->lock);
	return ci;
}

static void take_out(struct cell *c, struct cell_image *ci)
{
	struct cell_image **link = &c->images;
	while (*link != ci)
		link = &(*link)->next;
	*link = ci->next;
}

/* Its shared frames by number: of the image's pages, then of the template's. NULL: that was the last. */
static _Atomic frame_t *frame_numbered(const struct cell_image *ci, uint64_t i)
{
	if (i < ci->npages)
		return &ci->frames[i];
	i -= ci->npages;
	return ci->frozen && i < ci->frozen->npages ? &ci->frozen_frames[i] : NULL;
}

/* Looks at up to *left pages, FREE_PIECE at most, of one that was taken out, and gives their frames back. The number of those. Needs
 * no lock. */
static size_t free_frames_some(struct cell *c, struct cell_image *ci, unsigned *left)
{
	frame_t at[FREE_PIECE];
	size_t n = 0;
	_Atomic frame_t *slot;
	for (; *left && (slot = frame_numbered(ci, ci->freed)); --*left, ci->freed++) {
		at[n] = atomic_load_explicit(slot, memory_order_relaxed);
		n += at[n] != FRAME_NONE;
	}
	frames_free(&c->frames, at, n);
	atomic_fetch_sub(&c->image_frames, n);
	return n;
}

/* Without frames. It takes its time where nobody else has the image's file or the template. */
static void free_rest(struct cell_image *ci)
{
	image_put(ci->image);
	frozen_put(ci->frozen);
	free(ci->frames);
	free(ci->frozen_frames);
	free(ci->regions);
	free(ci);
}

static void free_one(struct cell *c, struct cell_image *ci)
{
	for (unsigned left; frame_numbered(ci, ci->freed);) {
		left = FREE_PIECE;
		free_frames_some(c, ci, &left);
	}
	free_rest(ci);
}

void cell_image_free(struct cell *c, struct cell_image *ci)
{
	take_out(c, ci);
	free_one(c, ci);
}

/* What an idle one may keep from being freed: shared frames, the image's file, the template's pages. */
static uint64_t kept_by(const struct cell_image *ci)
{
	uint64_t frozen = ci->frozen ? frozen_bytes(ci->frozen) : 0;
	return ci->filled * PAGE_SIZE + frozen + image_bytes(ci->image);
}

/* Nobody else has its template any more. */
static bool is_last(const struct cell_image *ci)
{
	return ci->frozen && atomic_load(&ci->frozen->refs) == 1;
}

/* Its frames and all that it holds are given back later: by cell_images_collect(). The lock is held. */
static void let_go(struct cell *c, struct cell_image *ci)
{
	take_out(c, ci);
	ci->next = c->gone;
	c->gone = ci;
}

/* Lets the idle images go beyond the newest that are worth keeping, or all of them. The lock is held. */
static void drop_idle(struct cell *c, bool all)
{
	unsigned idle = 0;
	uint64_t bytes = 0;
	for (struct cell_image *ci = c->images, *next; ci; ci = next) {
		next = ci->next;
		if (ci->guests)
			continue;
		bytes += kept_by(ci);
		if (all || ++idle > IDLE_IMAGES || bytes > IDLE_BYTES || is_last(ci))
			let_go(c, ci);
	}
}

static bool has_twin(const struct cell *c, const struct cell_image *ci)
{
	for (const struct cell_image *other = c->images; other; other = other->next) {
		if (other != ci && other->image == ci->image && other->frozen == ci->frozen)
			return true;
	}
	return false;
}

static struct cell_image *take_first(struct cell *c, struct cell_image **list)
{
	pthread_mutex_lock(&c->lock);
	struct cell_image *ci = *list;
	if (ci)
		*list = ci->next;
	pthread_mutex_unlock(&c->lock);
	return ci;
}

static void put_first(struct cell *c, struct cell_image **list, struct cell_image *ci)
{
	pthread_mutex_lock(&c->lock);
	ci->next = *list;
	*list = ci;
	pthread_mutex_unlock(&c->lock);
}

/* One that has no frames any more: what else it holds goes, too, or is left for cell_images_collect() where that takes long:
 * false. */
static bool free_rest_of(struct cell *c, struct cell_image *ci, unsigned *left)
{
	bool alone = atomic_load(&ci->image->refs) == 1 || is_last(ci);
	uint64_t bytes = alone ? kept_by(ci) : 0, pages = 1 + bytes / PAGE_SIZE;
	if (bytes > FREE_BYTES) {
		put_first(c, &c->emptied, ci);
		return false;
	}
	free_rest(ci);
	*left -= pages < *left ? (unsigned)pages : *left;
	return true;
}

/* A piece of what was let go, of *left pages. True: there was some. */
static bool collect_some(struct cell *c, unsigned *left)
{
	bool any = false;
	for (struct cell_image *ci; *left && (ci = take_first(c, &c->gone));) {
		any |= free_frames_some(c, ci, left);
		if (frame_numbered(ci, ci->freed))
			put_first(c, &c->gone, ci);
		else
			any |= free_rest_of(c, ci, left);
	}
	return any;
}

void cell_image_put(struct cell *c, struct cell_image *ci)
{
	pthread_mutex_lock(&c->lock);
	if (!--ci->guests) {
		if (has_twin(c, ci))
			let_go(c, ci);
		else
			drop_idle(c, false);
	}
	pthread_mutex_unlock(&c->lock);
	unsigned left = FREE_PIECE;
	collect_some(c, &left);
}

bool cell_images_collect(struct cell *c)
{
	bool any = false;
	for (struct cell_image *ci; (ci = take_first(c, &c->gone)); any = true)
		free_one(c, ci);
	for (struct cell_image *ci; (ci = take_first(c, &c->emptied)); any = true)
		free_rest(ci);
	return any;
}

static void let_idle_go(struct cell *c, bool all)
{
	pthread_mutex_lock(&c->lock);
	drop_idle(c, all);
	pthread_mutex_unlock(&c->lock);
}

bool cell_images_trim(struct cell *c)
{
	let_idle_go(c, false);
	return cell_images_collect(c);
}

bool cell_images_drop_some(struct cell *c, unsigned *left)
{
	let_idle_go(c, true);
	return collect_some(c, left);
}

/* Where the shared frame of a page is kept, and the template's content of it. NULL: the page is not shared. */
static _Atomic frame_t *shared_slot(const struct cell_image *ci, uint64_t page, const void **content)
{
	size_t at;
	*content = ci->frozen ? frozen_page(ci->frozen, page, &at) : NULL;
	if (*content)
		return &ci->frozen_frames[at];
	return page < ci->npages ? &ci->frames[page] : NULL;
}

frame_t cell_image_shared(const struct cell_image *ci, uint64_t page)
{
	const void *content;
	const _Atomic frame_t *slot = shared_slot(ci, page, &content);
	return slot ? atomic_load_explicit(slot, memory_order_relaxed) : FRAME_NONE;
}

const void *cell_image_frozen(const struct cell_image *ci, uint64_t page)
{
	size_t at;
	return ci->frozen ? frozen_page(ci->frozen, page, &at) : NULL;
}

/* Under the lock. */
static int fill_shared(struct cell *c, _Atomic frame_t *slot, const void *content, struct cell_image *ci,
		       const struct image_segment *segment, uint64_t page, frame_t *out)
{
	bool fresh;
	int r = cell_frame_alloc_locked(c, out, &fresh);
	if (r)
		return r;
	if (content)
		memcpy(cell_frame(c, *out), content, PAGE_SIZE);
	else
		image_page(ci->image, segment, page, cell_frame(c, *out));
	atomic_fetch_add(&c->image_frames, 1);
	ci->filled++;
	atomic_store_explicit(slot, *out, memory_order_relaxed); /* others look without the lock */
	return 0;
}

int cell_image_frame(struct cell *c, struct cell_image *ci, const struct image_segment *segment, uint64_t first,
		     uint64_t page, frame_t *out)
{
	const void *content;
	_Atomic frame_t *slot = shared_slot(ci, page, &content);
	unsigned tries = 0;
	int r;
	do {
		pthread_mutex_lock(&c->lock);
		*out = atomic_load_explicit(slot, memory_order_relaxed);
		r = *out ? 0 : fill_shared(c, slot, content, ci, segment, page - first, out);
		pthread_mutex_unlock(&c->lock);
	} while (r == -ENOMEM && cell_reclaim(c, &tries));
	return r;
}

void cell_image_boot_page(struct cell *c, struct cell_image *ci, uint64_t page)
{
	pthread_mutex_lock(&c->lock);
	uint64_t i = 0;
	while (i < ci->nboot_pages && ci->boot_pages[i] != page)
		i++;
	if (i == ci->nboot_pages && i < sizeof ci->boot_pages / sizeof *ci->boot_pages && page <= UINT32_MAX)
		ci->boot_pages[ci->nboot_pages++] = (uint32_t)page;
	pthread_mutex_unlock(&c->lock);
}
