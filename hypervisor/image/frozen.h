/* SPDX-License-Identifier: MIT */
/* What a guest's memory holds beyond what its image gives, taken out of its frames: for templates. */
#ifndef FROZEN_H
#define FROZEN_H

#include "base/types.h"

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

/* The content of a page; NULL: it is not there. *index says where. */
const void *frozen_page(const struct frozen *f, uint64_t page, size_t *index);
void frozen_free(struct frozen *f);

#endif
