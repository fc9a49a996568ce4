/* SPDX-License-Identifier: MIT */
/*
 * What a guest's space 0 begins with. Guests of one image and quota share the description: it is as large as all else that a parked
 * guest keeps of its memory.
 */
#ifndef REGIONS_H
#define REGIONS_H

#include "memory/memory.h"

/* Lays out space 0 of m, which has its cell, image and quota. -ENOMEM; -E2BIG: image and stack exceed the quota, or the addresses. */
int regions_make(struct memory *m);
/* m uses them no more; nothing happens when it has none. */
void regions_free(struct memory *m);

/* The initial region of space 0 that holds va; NULL. */
const struct region *region_at(const struct memory *m, uint64_t va);
/* The region that shows a page of the guest's at the start; NULL. */
const struct region *region_of_page(const struct memory *m, uint64_t page);

/* The hypervisor's page that a region shows; FRAME_NONE: not made yet. */
static inline frame_t region_frame(const struct memory *m, const struct region *r)
{
	return r->what == REGION_CLOCK ? m->clock : m->info;
}

#endif
