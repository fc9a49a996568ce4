/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell.h"

#define IDLE_IMAGES 8u /* without a guest, kept for the next spawn */

static uint64_t count_pages(const struct image *image)
{
	uint64_t n = 0;
	for (size_t i = 0; i < image->nsegments; i++)
		n += image->segments[i].pages;
	return n;
}

static struct cell_image *make(struct image *image)
{
	struct cell_image *ci = calloc(1, sizeof *ci);
	if (!ci)
		return NULL;
	ci->npages = count_pages(image);
	ci->frames = calloc(ci->npages, sizeof *ci->frames);
	if (!ci->frames) {
		free(ci);
		return NULL;
	}
	ci->image = image_get(image);
	return ci;
}

struct cell_image *cell_image_get(struct cell *c, struct image *image)
{
	pthread_mutex_lock(&c->lock);
	struct cell_image *ci = c->images;
	while (ci && ci->image != image)
		ci = ci->next;
	if (!ci) {
		ci = make(image);
		if (ci) {
			ci->next = c->images;
			c->images = ci;
		}
	}
	if (ci)
		ci->guests++;
	pthread_mutex_unlock(&c->lock);
	return ci;
}

void cell_image_free(struct cell *c, struct cell_image *ci)
{
	struct cell_image **link = &c->images;
	while (*link != ci)
		link = &(*link)->next;
	*link = ci->next;
	for (uint64_t i = 0; i < ci->npages; i++) {
		if (ci->frames[i]) {
			frames_free(&c->frames, &ci->frames[i], 1);
			atomic_fetch_sub(&c->image_frames, 1);
		}
	}
	image_put(ci->image);
	free(ci->frames);
	free(ci);
}

/* Frees the idle images beyond the IDLE_IMAGES newest. */
static void drop_idle(struct cell *c)
{
	unsigned idle = 0;
	for (struct cell_image *ci = c->images, *next; ci; ci = next) {
		next = ci->next;
		if (!ci->guests && ++idle > IDLE_IMAGES)
			cell_image_free(c, ci);
	}
}

void cell_image_put(struct cell *c, struct cell_image *ci)
{
	pthread_mutex_lock(&c->lock);
	if (!--ci->guests)
		drop_idle(c);
	pthread_mutex_unlock(&c->lock);
}

int cell_image_frame(struct cell *c, struct cell_image *ci, const struct image_segment *segment, uint64_t first,
		     uint64_t page, frame_t *out)
{
	pthread_mutex_lock(&c->lock);
	frame_t *slot = &ci->frames[first + page];
	int r = 0;
	if (!*slot) {
		bool fresh;
		r = cell_frame_alloc_locked(c, slot, &fresh);
		if (r) {
			*slot = FRAME_NONE;
		} else {
			image_page(ci->image, segment, page, cell_frame(c, *slot));
			atomic_fetch_add(&c->image_frames, 1);
		}
	}
	*out = *slot;
	pthread_mutex_unlock(&c->lock);
	return r;
}

void cell_image_hot(struct cell *c, struct cell_image *ci, uint64_t page)
{
	pthread_mutex_lock(&c->lock);
	uint64_t i = 0;
	while (i < ci->nhot && ci->hot[i] != page)
		i++;
	if (i == ci->nhot && i < sizeof ci->hot / sizeof *ci->hot && page <= UINT32_MAX)
		ci->hot[ci->nhot++] = (uint32_t)page;
	pthread_mutex_unlock(&c->lock);
}
