/* SPDX-License-Identifier: MIT */
/* What a guest's memory holds beyond what its image gives, taken out of its frames: for templates. */
#ifndef FROZEN_H
#define FROZEN_H

#include "memory/memory.h"

/* A mapping of space 0 that differs from the initial regions: a page number with rights, or a hole. */
struct frozen_entry {
	uint64_t va;
	uint64_t value; /* as a not-present page-table entry has it */
};

struct frozen {
	uint64_t npages;
	uint64_t *page;         /* their numbers, ascending */
	unsigned char *content; /* npages of 4 KiB, in that order */
	size_t nentries;
	struct frozen_entry *entries;
};

/* Copies a guest's memory as it is now, as far as it differs from what its image gives (`whole`), or from what its template and
 * its image give. The guest does not run. -ENOMEM, -EBUSY: it has other spaces than 0. */
int memory_freeze(struct memory *m, bool whole, struct frozen *out);
/* Puts the mappings of `f` into a space 0 that nothing has run in. -ENOMEM. */
int memory_remap(struct memory *m, const struct frozen *f);
/* The content of a page; NULL: it is not there. *index says where. */
const void *frozen_page(const struct frozen *f, uint64_t page, size_t *index);
void frozen_free(struct frozen *f);

#endif
