/* SPDX-License-Identifier: MIT */
#include "fake_cell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "elf_builder.h"

#define QUARANTINE_MOST 16u
#define OWN_FRAMES 2u /* clock and the monitor's link */

static int grow(void *opaque, frame_t *first, uint32_t *count)
{
	struct fake_cell *f = opaque;
	if (f->cell.grown)
		return -ENOMEM;
	f->cell.grown = f->cell.size;
	*first = 1;
	*count = FAKE_FRAMES - 1;
	return 0;
}

struct fake_cell *fake_cell_new(uint64_t limit)
{
	struct fake_cell *f = calloc(1, sizeof *f);
	if (!f)
		abort();
	struct cell *c = &f->cell;
	f->pool.limit = limit + OWN_FRAMES;
	c->size = (uint64_t)FAKE_FRAMES << PAGE_SHIFT;
	c->memory = mmap(NULL, c->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (c->memory == MAP_FAILED)
		abort();
	pthread_mutex_init(&c->lock, NULL);
	frames_init(&c->frames, &f->pool, grow, f);
	if (cell_frame_zero(c, &f->clock) || cell_frame_zero(c, &c->link))
		abort();
	return f;
}

void fake_cell_free(struct fake_cell *f)
{
	struct cell *c = &f->cell;
	cell_images_collect(c);
	while (c->images)
		cell_image_free(c, c->images);
	frames_destroy(&c->frames);
	pthread_mutex_destroy(&c->lock);
	munmap(c->memory, c->size);
	free(f);
}

static uint32_t flush(struct cell *c)
{
	uint32_t waiting = frames_quarantined(&c->frames);
	((struct fake_cell *)c)->flushes++;
	frames_release(&c->frames, waiting);
	return waiting;
}

uint64_t fake_cell_used(struct fake_cell *f)
{
	flush(&f->cell);
	return frames_used(&f->cell.frames) - atomic_load(&f->cell.image_frames) - OWN_FRAMES;
}

int cell_frame_alloc_locked(struct cell *c, frame_t *out, bool *fresh)
{
	int r = frames_alloc(&c->frames, out, fresh);
	if (r == -ENOMEM && flush(c))
		r = frames_alloc(&c->frames, out, fresh);
	return r;
}

bool cell_reclaim(struct cell *c, unsigned *tries)
{
	(void)c;
	(void)tries;
	return false;
}

int cell_frame_alloc(struct cell *c, frame_t *out, bool *fresh)
{
	return cell_frame_alloc_locked(c, out, fresh);
}

int cell_frame_zero(struct cell *c, frame_t *out)
{
	bool fresh;
	int r = cell_frame_alloc(c, out, &fresh);
	if (!r && !fresh)
		memset(cell_frame(c, *out), 0, PAGE_SIZE);
	return r;
}

void cell_tables_free(struct cell *c, const frame_t *at, size_t n)
{
	if (frames_quarantine(&c->frames, at, n) >= QUARANTINE_MOST)
		flush(c);
}

int cell_clock_get(struct cell *c, frame_t *out)
{
	*out = ((struct fake_cell *)c)->clock;
	return 0;
}

void cell_clock_put(struct cell *c, frame_t clock)
{
	(void)c;
	(void)clock;
}

struct image *fake_image(void)
{
	static struct elf e;
	struct image *image = NULL;
	elf_init(&e);
	elf_finish(&e);
	if (image_parse(&image, e.bytes, e.size, "guest", NULL))
		abort();
	return image;
}

struct fake_cell *fake_guest_new(uint64_t limit, struct memory *m, uint64_t pages, struct memory_layout *at)
{
	struct fake_cell *f = fake_cell_new(limit);
	struct image *image = fake_image();
	if (memory_init(m, &f->cell, cell_image_get(&f->cell, image, NULL), pages, NULL))
		abort();
	*at = *memory_layout(m);
	image_put(image);
	return f;
}

uint64_t fake_guest_free(struct fake_cell *f, struct memory *m)
{
	struct cell_image *shared = m->image;
	memory_destroy(m);
	cell_image_put(&f->cell, shared);
	uint64_t used = fake_cell_used(f);
	fake_cell_free(f);
	return used;
}
