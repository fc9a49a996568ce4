/* SPDX-License-Identifier: MIT */
/*
 * What a guest's memory holds beyond what its image gives: pages and mappings, taken out of their frames. What a template has is
 * shared by reference count and never changes.
 */
#ifndef FROZEN_H
#define FROZEN_H

#include <stdatomic.h>

#include "base/types.h"

/* A mapping of space 0 that differs from the initial regions: a page number with rights, or a hole. */
struct frozen_entry {
	uint64_t va;
	uint64_t value; /* as a not-present page-table entry has it */
};

struct frozen {
	atomic_uint refs; /* if frozen_new() made it */
	uint64_t npages;
	uint64_t *page;         /* their numbers, ascending */
	unsigned char *content; /* npages of 4 KiB, in that order */
	size_t nentries;
	struct frozen_entry *entries;
};

/* An empty one, of one reference. NULL: no memory. */
struct frozen *frozen_new(void);
struct frozen *frozen_get(struct frozen *f);   /* NULL is fine, and given back */
void frozen_put(struct frozen *f);             /* NULL is fine */
uint64_t frozen_bytes(const struct frozen *f); /* of the host's memory that its pages take */
/* The content of a page; NULL: it is not there. *index says where. */
const void *frozen_page(const struct frozen *f, uint64_t page, size_t *index);
/* Frees what the members point to. */
void frozen_clear(struct frozen *f);

#endif
