/* SPDX-License-Identifier: MIT */
/* A cell without KVM, for tests of guest memory and page tables: its guest-physical memory is plain host memory. */
#ifndef FAKE_CELL_H
#define FAKE_CELL_H

#include "cell/cell.h"
#include "memory/memory.h"

#define FAKE_FRAMES 16384u /* room of a fake cell */

struct fake_cell {
	struct cell cell; /* first */
	struct frame_pool pool;
	frame_t clock;
	uint64_t flushes;
};

/* A cell whose pool allows `limit` frames beyond its own two. */
struct fake_cell *fake_cell_new(uint64_t limit);
/* All guests are gone. */
void fake_cell_free(struct fake_cell *f);
/* Empties the quarantine. Returns the frames in use, shared image pages and the cell's own not counted. */
uint64_t fake_cell_used(struct fake_cell *f);

/* The elf_builder's good image. */
struct image *fake_image(void);

/* A cell with `limit` frames, and in it the memory of one guest of fake_image(), with `pages` pages. */
struct fake_cell *fake_guest_new(uint64_t limit, struct memory *m, uint64_t pages, struct memory_layout *at);
/* Returns the frames that are in use when it is gone: none, unless some are lost. */
uint64_t fake_guest_free(struct fake_cell *f, struct memory *m);

#endif
