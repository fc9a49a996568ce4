/* SPDX-License-Identifier: MIT */
/*
 * Parking in pieces: first the mappings are copied, then the pages compressed; until then the guest has its memory as it was. Then it is
 * parked, its frames are given back, and what is left is written to the swap file if there is one.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hidden.h"
#include "cell/cell.h"
#include "memory/freeze.h"
#include "memory/packer.h"
#include "memory/park.h"
#include "memory/space.h"

#define TABLES_PIECE 16u /* page tables whose mappings are copied, */
#define PAGES_PIECE 64u  /* pages looked at, */
#define DROP_PIECE 16u   /* and chunks of pages, or page tables, given back in one piece */

struct parking {
	enum { MAPPINGS, PAGES, DROP } phase;
	struct memory_io *io;
	struct frozen mappings; /* its entries only */
	struct owners owners;
	uint64_t va, page; /* where to go on */
	size_t header, capacity;
	size_t packed;                /* behind the header */
	unsigned char *content;       /* of pages that are not compressed yet, */
	size_t n;                     /* as many, */
	uint64_t number[PAGES_PIECE]; /* and which they are */
	struct parked result;
};

static void discard(struct parking *p)
{
	size_t at = 0;
	while (p->result.bytes && hidden_wipe_some(p->result.bytes, p->header + p->packed, &at)) {
	}
	free(p->result.bytes);
	owners_free(&p->owners);
	frozen_clear(&p->mappings);
	hidden_free(p->content);
	free(p);
}

void memory_park_give_up(struct memory *m)
{
	struct parking *p = m->parking;
	if (!p)
		return;
	m->parking = NULL;
	discard(p); /* if it is parked, the frames are given back by whoever asked */
}

int memory_park_begin(struct memory *m, struct memory_io *io)
{
	if (m->waking)
		return -EBUSY;
	if (m->parked.active || m->parking)
		return 0;
	if (m->tables.ncommits || m->tables.flush || memory_has_spaces(m))
		return -EBUSY;
	struct parking *p = calloc(1, sizeof *p);
	if (!p)
		return -ENOMEM;
	p->io = io;
	p->content = hidden_alloc((m->used < PAGES_PIECE ? m->used + 1 : PAGES_PIECE) * PAGE_SIZE, false);
	if (!p->content) {
		discard(p);
		return -ENOMEM;
	}
	m->parking = p;
	return 0;
}

/* ---- The pieces: 1: more of it; 0: done; -ENOMEM ---- */

static int copy_mappings(struct memory *m, struct parking *p)
{
	int r = freeze_mappings(m, &p->owners, &p->mappings, &p->va, TABLES_PIECE);
	if (r)
		return r;
	size_t entries = p->mappings.nentries * sizeof *p->mappings.entries;
	owners_free(&p->owners);
	p->result.nentries = (uint32_t)p->mappings.nentries;
	p->result.info = m->info;
	p->header = p->capacity = entries;
	p->result.bytes = malloc(p->capacity + 1);
	if (!p->result.bytes)
		return -ENOMEM;
	if (entries)
		memcpy(p->result.bytes, p->mappings.entries, entries);
	return 0;
}

static bool more_room(struct parking *p, size_t size)
{
	if (p->capacity - p->header - p->packed >= size)
		return true;
	size_t capacity = p->capacity + p->capacity / 2 + size;
	unsigned char *bytes = realloc(p->result.bytes, capacity);
	if (!bytes)
		return false;
	p->result.bytes = bytes;
	p->capacity = capacity;
	return true;
}

/* Appends what waits for it, and the numbers, so that it is unparked without the others. */
static int pack_some(struct parking *p)
{
	size_t bound = packer_bound(p->n * PAGE_SIZE), numbers = p->n * sizeof *p->number;
	if (!p->n)
		return 0;
	if (!more_room(p, bound + numbers))
		return -ENOMEM;
	unsigned char *to = p->result.bytes + p->header + p->packed;
	long packed = packer_pack(to, bound, p->content, p->n * PAGE_SIZE);
	if (packed < 0)
		return (int)packed;
	memcpy(to + packed, p->number, numbers);
	p->packed += (size_t)packed + numbers;
	p->result.npages += (uint32_t)p->n;
	p->n = 0;
	return 0;
}

static int compress_pages(struct memory *m, struct parking *p)
{
	uint64_t all = (uint64_t)m->nchunks * CHUNK_PAGES, end = p->page + PAGES_PIECE;
	int r = 0;
	for (; !r && p->page < all && p->page < end; p->page++) {
		frame_t f = memory_frame(m, p->page);
		if (f == FRAME_NONE ||
		    !memory_page_delta(m, p->page, cell_frame(m->cell, f), p->content + p->n * PAGE_SIZE))
			continue;
		p->number[p->n++] = p->page;
		r = p->n == PAGES_PIECE ? pack_some(p) : 0;
	}
	if (r || p->page < all)
		return r ? r : 1;
	r = pack_some(p);
	p->result.packed = (uint32_t)p->packed;
	return r ? r : p->packed > UINT32_MAX ? -ENOMEM : 0;
}

/* From here on it is parked. */
static void become_parked(struct memory *m, struct parking *p)
{
	parked_fit(&p->result);
	p->result.active = true;
	m->parked = p->result;
	p->result = (struct parked){0};
	m->dropping = true;
	parked_count(m, &m->parked, true);
	memory_swap_out(m, p->io);
}

int memory_park_go_on(struct memory *m)
{
	struct parking *p = m->parking;
	if (!p)
		return -ECANCELED;
	int r = 0;
	switch (p->phase) {
	case MAPPINGS:
		r = copy_mappings(m, p);
		break;
	case PAGES:
		r = compress_pages(m, p);
		if (!r)
			become_parked(m, p);
		break;
	case DROP:
		r = memory_drop_some(m, DROP_PIECE);
		break;
	}
	if (r < 0) {
		memory_park_give_up(m);
		return r;
	}
	if (r || p->phase++ < DROP)
		return 1;
	memory_park_give_up(m);
	return 0;
}
