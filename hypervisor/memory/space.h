/* SPDX-License-Identifier: MIT */
/* The page tables of a guest's spaces, as memory.c and paging.c handle them. */
#ifndef SPACE_H
#define SPACE_H

#include "cell/pagetable.h"
#include "memory/memory.h"
#include "memory/regions.h"

/* The leaf entry of va; with `create`, missing tables are made. NULL: there is none, or no memory for it. */
uint64_t *space_entry(struct memory *m, unsigned space, uint64_t va, bool create);
/* Stores the entry of va, a page's address. A live one is queued for the vCPUs too and raises the generation. */
void space_set(struct memory *m, unsigned space, uint64_t va, uint64_t *entry, uint64_t value);
/* More has changed than what is queued. */
void tables_changed(struct tables *t);
/* A new root, with the monitor in it. -ENOMEM. */
int space_make(struct memory *m, frame_t *root);
/* Gives a root's tables back through the quarantine: `*most` at most, of which it says how many are left; false: there are more.
 * Nothing runs in them any more. */
bool space_free_some(struct memory *m, frame_t root, uint32_t *most);

/* What an entry of a space means, whatever its form. */
struct mapping {
	bool mapped;
	unsigned rights; /* CASSIN_READ, ... as the guest sees them: copy-on-write counts as writable */
	uint64_t page;   /* unless `own` */
	bool hypervisor; /* the info or the clock page */
};
struct mapping mapping_of(const struct memory *m, unsigned space, uint64_t va, const uint64_t *entry);

#endif
