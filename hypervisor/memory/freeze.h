/* SPDX-License-Identifier: MIT */
/* A guest's memory, as far as it differs from what its image gives, taken out of its frames: for templates; mappings for parking, too. */
#ifndef FREEZE_H
#define FREEZE_H

#include "image/frozen.h"
#include "memory/memory.h"

/* Pages by their frames: a hash table with open addressing, at most half full. Made when the first entry is met that shows a page
 * elsewhere than the initial regions do, as only guests that map pages themselves have such. Zeros: not begun. */
struct owners {
	struct owner {
		frame_t frame; /* FRAME_NONE: free */
		uint32_t page;
	} * at;
	unsigned bits;
	uint64_t next; /* the first page that is not looked at yet */
	bool made;
};
void owners_free(struct owners *o);
/* Copies mappings of space 0 that differ from the initial ones, from *va on, of `most` page tables at most, or makes a part of `o`. 1:
 * there is more, and *va says where; 0, -ENOMEM. */
int freeze_mappings(struct memory *m, struct owners *o, struct frozen *out, uint64_t *va, unsigned most);

/* Copies a guest's memory as it is now to *out, which is empty: the pages that differ from what its image gives. The guest does not run.
 * -ENOMEM, -EBUSY: it has other spaces than 0. */
int memory_freeze(struct memory *m, struct frozen *out);
/* The same in pieces of 64 pages or 16 page tables. go_on: 1: there is more; 0; -ENOMEM. In the end, or instead, end(). */
struct freezing {
	uint64_t page; /* the next, */
	size_t old;    /* and the next of its template's */
	bool pages_taken;
	uint64_t va;
	struct owners owners;
};
int memory_freeze_begin(struct memory *m, struct freezing *f, struct frozen *out);
int memory_freeze_go_on(struct memory *m, struct freezing *f, struct frozen *out);
void memory_freeze_end(struct freezing *f);
/* Puts the mappings of `f` into a space 0 that nothing has run in, from *at on, of which there are `most` at most. 1: there are more; 0;
 * -ENOMEM. */
int memory_remap(struct memory *m, const struct frozen *f, size_t *at, size_t most);

#endif
