/* SPDX-License-Identifier: MIT */
/*
 * Parking in pieces: first the mappings are copied, then the pages compressed, then all of it written to the swap file if there is
 * one; until then the guest has its memory as it was. At last its frames are given back. What comes of it is what memory_park()
 * makes.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/hash.h"
#include "base/hidden.h"
#include "base/swap.h"
#include "cell/cell.h"
#include "memory/freeze.h"
#include "memory/park.h"
#include "memory/space.h"

#define TABLES_PIECE 16u               /* page tables whose mappings are copied, */
#define PAGES_PIECE 64u                /* pages looked at, */
#define SWAP_PIECE ((size_t)256 << 10) /* bytes written, */
#define DROP_PIECE 16u                 /* and chunks of pages, or page tables, given back in one piece */

struct parking {
	enum { MAPPINGS, PAGES, SWAP, WIPE, DROP } phase;
	struct swap *swap;
	struct frozen mappings; /* its entries only */
	struct owners owners;
	uint64_t va, page; /* where to go on */
	ZSTD_CCtx *pack;
	size_t header, capacity;
	size_t packed;          /* behind the header */
	unsigned char *content; /* of the pages of one piece */
	size_t swapped;
	unsigned char *plain; /* what was swapped, to be cleared; NULL: nothing */
	size_t wiped;
	struct parked result;
};

static void discard(struct parking *p)
{
	if (p->result.swap)
		swap_free(p->result.swap, p->result.at, parked_size(&p->result));
	size_t at = 0;
	while (p->result.bytes && hidden_wipe_some(p->result.bytes, p->header + p->packed, &at)) {
	}
	free(p->result.bytes);
	free(p->plain);
	owners_free(&p->owners);
	frozen_clear(&p->mappings);
	ZSTD_freeCCtx(p->pack);
	hidden_free(p->content);
	free(p);
}

void memory_park_give_up(struct memory *m)
{
	struct parking *p = m->parking;
	if (!p)
		return;
	m->parking = NULL;
	if (p->phase > SWAP) { /* it is parked; the frames are given back by whoever asked */
		while (p->plain && hidden_wipe_some(p->plain, parked_size(&m->parked), &p->wiped)) {
		}
		p->result = (struct parked){0};
	}
	discard(p);
}

int memory_park_begin(struct memory *m, struct swap *swap)
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
	p->swap = swap;
	p->pack = ZSTD_createCCtx();
	p->content = hidden_alloc(PAGES_PIECE * PAGE_SIZE, false);
	if (!p->pack || !p->content) {
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
	p->result.room = (uint32_t)m->used;
	p->result.nentries = (uint32_t)p->mappings.nentries;
	p->result.info = m->info;
	p->header = p->result.room * sizeof(uint64_t) + entries;
	p->capacity = p->header;
	p->result.bytes = malloc(p->capacity + 1);
	if (!p->result.bytes)
		return -ENOMEM;
	if (entries)
		memcpy(p->result.bytes + p->header - entries, p->mappings.entries, entries);
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

/* Appends n pages, of p->content, as a frame of zstd's: it is unparked without the others. */
static int pack_piece(struct parking *p, size_t n)
{
	size_t bound = ZSTD_compressBound(n * PAGE_SIZE);
	if (!n)
		return 0;
	if (!more_room(p, bound))
		return -ENOMEM;
	size_t packed = ZSTD_compressCCtx(p->pack, p->result.bytes + p->header + p->packed, bound, p->content,
					  n * PAGE_SIZE, PARK_LEVEL);
	if (ZSTD_isError(packed))
		return -ENOMEM;
	p->packed += packed;
	return 0;
}

static int compress_pages(struct memory *m, struct parking *p)
{
	uint64_t all = (uint64_t)m->nchunks * CHUNK_PAGES, end = p->page + PAGES_PIECE;
	size_t n = 0;
	for (; p->page < all && p->page < end; p->page++) {
		frame_t f = memory_frame(m, p->page);
		if (f == FRAME_NONE ||
		    !memory_page_delta(m, p->page, cell_frame(m->cell, f), p->content + n * PAGE_SIZE))
			continue;
		memcpy(p->result.bytes + p->result.npages++ * sizeof p->page, &p->page, sizeof p->page);
		n++;
	}
	int r = pack_piece(p, n);
	if (r || p->page < all)
		return r ? r : 1;
	if (p->packed > UINT32_MAX)
		return -ENOMEM;
	memset(p->result.bytes + p->result.npages * sizeof(uint64_t), 0,
	       (p->result.room - p->result.npages) * sizeof(uint64_t));
	p->result.packed = (uint32_t)p->packed;
	p->result.sum = HASH_FNV_FIRST;
	return 0;
}

/* Whatever goes wrong with the file, the bytes stay in memory. */
static int write_swap(struct parking *p)
{
	struct parked *r = &p->result;
	size_t size = parked_size(r), n = size - p->swapped < SWAP_PIECE ? size - p->swapped : SWAP_PIECE;
	if (!r->swap) {
		if (!p->swap || swap_take(p->swap, size, &r->at))
			return 0;
		r->swap = p->swap;
	}
	if (swap_put(r->swap, r->at + p->swapped, r->bytes + p->swapped, n)) {
		swap_free(r->swap, r->at, size);
		r->swap = NULL;
		return 0;
	}
	r->sum = hash_fnv_more(r->sum, r->bytes + p->swapped, n);
	p->swapped += n;
	return p->swapped < size;
}

/* From here on it is parked. */
static void become_parked(struct memory *m, struct parking *p)
{
	struct parked *r = &p->result;
	if (r->swap) {
		p->plain = r->bytes;
		r->bytes = NULL;
	} else {
		parked_fit(r);
	}
	r->active = true;
	m->parked = *r;
	m->dropping = true;
	parked_count(m, &m->parked, true);
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
		break;
	case SWAP:
		r = write_swap(p);
		if (!r)
			become_parked(m, p);
		break;
	case WIPE:
		r = p->plain && hidden_wipe_some(p->plain, parked_size(&m->parked), &p->wiped);
		break;
	case DROP:
		r = memory_drop_some(m, DROP_PIECE);
		break;
	}
	if (r < 0) {
		memory_park_give_up(m);
		return r;
	}
	if (r)
		return 1;
	if (p->phase++ < DROP)
		return 1;
	p->phase = DROP;
	memory_park_give_up(m);
	return 0;
}
