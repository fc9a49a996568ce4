/* SPDX-License-Identifier: MIT */
/* Pages of images and templates in the frames of a cell, shared by its guests. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell/cell.h"

#define HOT_FROZEN 8u
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

static void free_frames(struct cell *c, _Atomic frame_t *frames, uint64_t n)
{
	for (uint64_t i = 0; i < n; i++) {
		frame_t frame = atomic_load_explicit(&frames[i], memory_order_relaxed);
		if (frame) {
			frames_free(&c->frames, &frame, 1);
			atomic_fetch_sub(&c->image_frames, 1);
		}
	}
	free(frames);
}

static void take_out(struct cell *c, struct cell_image *ci)
{
	struct cell_image **link = &c->images;
	while (*link != ci)
		link = &(*link)->next;
	*link = ci->next;
}

/* Of one that was taken out. Needs no lock, and takes its time: by its pages, and by the file's size if nobody else has it. */
static void free_one(struct cell *c, struct cell_image *ci)
{
	free_frames(c, ci->frames, ci->npages);
	free_frames(c, ci->frozen_frames, ci->frozen ? ci->frozen->npages : 0);
	image_put(ci->image);
	frozen_put(ci->frozen);
	free(ci->regions);
	free(ci);
}

void cell_image_free(struct cell *c, struct cell_image *ci)
{
	take_out(c, ci);
	free_one(c, ci);
}

/* What an idle one may keep from being freed: shared frames, the image's file, the template's pages. */
static uint64_t kept_by(const struct cell_image *ci)
{
	uint64_t frozen = ci->frozen ? frozen_bytes(ci->frozen) : 0, frames = 0;
	for (uint64_t i = 0; i < ci->npages && frames <= IDLE_BYTES; i++)
		frames += ci->frames[i] ? PAGE_SIZE : 0;
	return frames + 2 * frozen + image_bytes(ci->image);
}

/* Nobody else has its template any more. */
static bool is_last(const struct cell_image *ci)
{
	return ci->frozen && atomic_load(&ci->frozen->refs) == 1;
}

/* Takes out the idle images beyond the newest that are worth keeping, and puts them on a list. */
static void take_idle(struct cell *c, struct cell_image **out)
{
	unsigned idle = 0;
	uint64_t bytes = 0;
	for (struct cell_image *ci = c->images, *next; ci; ci = next) {
		next = ci->next;
		if (ci->guests)
			continue;
		bytes += kept_by(ci);
		if (++idle <= IDLE_IMAGES && bytes <= IDLE_BYTES && !is_last(ci))
			continue;
		take_out(c, ci);
		ci->next = *out;
		*out = ci;
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

static void free_list(struct cell *c, struct cell_image *ci)
{
	for (struct cell_image *next; ci; ci = next) {
		next = ci->next;
		free_one(c, ci);
	}
}

void cell_image_put(struct cell *c, struct cell_image *ci)
{
	struct cell_image *out = NULL;
	pthread_mutex_lock(&c->lock);
	if (!--ci->guests) {
		if (has_twin(c, ci)) {
			take_out(c, ci);
			ci->next = NULL;
			out = ci;
		} else {
			take_idle(c, &out);
		}
	}
	pthread_mutex_unlock(&c->lock);
	free_list(c, out);
}

void cell_images_drop(struct cell *c)
{
	struct cell_image *out = NULL;
	pthread_mutex_lock(&c->lock);
	take_idle(c, &out);
	pthread_mutex_unlock(&c->lock);
	free_list(c, out);
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
