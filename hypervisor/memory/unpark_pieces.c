/* SPDX-License-Identifier: MIT */
/*
 * Unparking in pieces: what an earlier attempt or the parking has left is given back first, the bytes are read from the swap file if
 * they are there, then mappings and pages are made. Until all is there the memory counts as parked, and whoever needs it at once
 * has the rest done. When it fails, what it had made is given back in pieces, too: others may need it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/hidden.h"
#include "base/swap.h"
#include "memory/freeze.h"
#include "memory/park.h"
#include "memory/space.h"

#define DROP_PIECE 16u                 /* chunks of pages, or page tables, given back, */
#define READ_PIECE ((size_t)256 << 10) /* bytes read, */
#define ENTRIES_PIECE 128u             /* and mappings made in one piece; of pages, what one frame of zstd's holds */

struct waking {
	enum { DROP, READ, MAPPINGS, PAGES, SHOW, WIPE, UNDO } phase;
	int error;           /* UNDO: why, */
	bool starved;        /* and whether it was for want of memory in the pool */
	unsigned char *room; /* for bytes from the swap file; NULL: there are none */
	const unsigned char *bytes;
	size_t read;
	uint64_t sum;
	bool opened;           /* the parked bytes are off the account: frames take their place, */
	struct pool_kept kept; /* for which these pages of the pool are kept */
	uint32_t entry;        /* where to go on: a mapping; */
	size_t at, n;          /* a place among the compressed bytes, and how many pages came before it */
	size_t wiped;          /* of the parked bytes, once all is unparked */
};

/* The pages that the parked bytes had are kept for the frames that take their place. */
static void open_up(struct memory *m, struct waking *w)
{
	if (m->account && m->account->pool && !m->parked.swap)
		pool_keep(m->account->pool, m->account->part, &w->kept, parked_size(&m->parked) / PAGE_SIZE);
	parked_count(m, &m->parked, false);
	w->opened = true;
}

static void keep_no_longer(const struct memory *m, struct waking *w)
{
	if (w->kept.pages)
		pool_keep_no_longer(m->account->pool, &w->kept);
}

/* Before the frames go back, so that nobody takes what the bytes need. */
static void close_up(struct memory *m, struct waking *w)
{
	if (w->opened)
		parked_count(m, &m->parked, true);
	w->opened = false;
	keep_no_longer(m, w);
}

static void finish(struct memory *m)
{
	struct waking *w = m->waking;
	m->waking = NULL;
	keep_no_longer(m, w);
	tables_changed(&m->tables);
	m->tables.ncommits = m->tables.committed = 0; /* nothing has run in these tables */
	m->tables.flush = false;
	m->parked.active = true; /* for the last time */
	parked_free(&m->parked, w->wiped);
	hidden_free(w->room);
	free(w);
}

void memory_unpark_give_up(struct memory *m)
{
	struct waking *w = m->waking;
	if (!w)
		return;
	if (w->phase == WIPE) { /* all of it is there, and some of the bytes are no more */
		finish(m);
		return;
	}
	m->waking = NULL;
	if (w->phase != UNDO)
		m->dropping = true; /* whatever it has of frames and tables */
	close_up(m, w);
	hidden_free(w->room);
	free(w);
}

int memory_unpark_begin(struct memory *m)
{
	memory_park_give_up(m);
	if (!m->parked.active || m->waking)
		return 0;
	struct waking *w = calloc(1, sizeof *w);
	if (!w)
		return -ENOMEM;
	if (m->parked.swap) {
		w->room = hidden_alloc(parked_size(&m->parked) + 1, false);
		if (!w->room) {
			free(w);
			return -ENOMEM;
		}
	}
	w->bytes = m->parked.swap ? w->room : m->parked.bytes;
	w->sum = HASH_FNV_FIRST;
	m->waking = w;
	return 0;
}

/* ---- The pieces: 1: more of it; 0: done; -errno ---- */

static int read_some(const struct parked *p, struct waking *w)
{
	size_t size = parked_size(p), n = size - w->read < READ_PIECE ? size - w->read : READ_PIECE;
	if (!p->swap)
		return 0;
	if (n && swap_read(p->swap, p->at + w->read, w->room + w->read, n))
		return -EIO;
	w->sum = hash_fnv_more(w->sum, w->room + w->read, n);
	w->read += n;
	if (w->read < size)
		return 1;
	return w->sum == p->sum ? 0 : -EIO;
}

static int map_some(struct memory *m, const struct parked *p, struct waking *w)
{
	struct frozen_entry entries[ENTRIES_PIECE];
	uint32_t left = p->nentries - w->entry, n = left < ENTRIES_PIECE ? left : ENTRIES_PIECE;
	struct frozen f = {.nentries = n, .entries = entries};
	size_t done = 0;
	int r = w->entry ? 0 : space_make(m, &m->tables.root);
	if (r)
		return r;
	memcpy(entries, w->bytes + p->room * sizeof(uint64_t) + w->entry * sizeof *entries, n * sizeof *entries);
	w->entry += n;
	r = memory_remap(m, &f, &done, n);
	return r ? r : w->entry < p->nentries;
}

static int fill_some(struct memory *m, const struct parked *p, struct waking *w)
{
	const unsigned char *packed = w->bytes + p->room * sizeof(uint64_t) + p->nentries * sizeof(struct frozen_entry);
	if (w->at == p->packed || w->n == p->npages)
		return w->n == p->npages ? 0 : -EIO;
	size_t size = p->packed - w->at, n = 0;
	int r = parked_fill(m, packed + w->at, &size, w->bytes + w->n * sizeof(uint64_t), p->npages - w->n, &n);
	w->at += size;
	w->n += n;
	return r ? r : 1;
}

static int piece(struct memory *m, struct waking *w)
{
	struct parked *p = &m->parked;
	int r = 0;
	switch (w->phase) {
	case DROP:
		return m->dropping && memory_drop_some(m, DROP_PIECE);
	case READ:
		r = read_some(p, w);
		if (!r)
			open_up(m, w);
		return r;
	case MAPPINGS:
		return map_some(m, p, w);
	case PAGES:
		return fill_some(m, p, w);
	case SHOW:
		return memory_map_again(m, p->info);
	case WIPE:
		return parked_wipe_some(p, &w->wiped);
	case UNDO:
		break;
	}
	return memory_drop_some(m, DROP_PIECE) ? 1 : w->error;
}

/* A piece, for which the pages are used that the parked bytes had. */
static int take_kept(struct memory *m, struct waking *w)
{
	pool_spend(&w->kept);
	m->parked.active = false; /* the doors are open for what follows */
	int r = piece(m, w);
	m->parked.active = true;
	pool_spent(&w->kept);
	return r;
}

int memory_unpark_go_on(struct memory *m)
{
	struct waking *w = m->waking;
	if (!w)
		return memory_unpark(m);
	int r = take_kept(m, w);
	if (r < 0 && w->phase == UNDO) {
		m->starved = w->starved;
		memory_unpark_give_up(m);
		return r;
	}
	if (r < 0) {
		w->error = r;
		w->starved = m->starved;
		w->phase = UNDO;
		m->dropping = true;
		close_up(m, w);
	} else if (!r && w->phase++ == WIPE) {
		finish(m);
		return 0;
	}
	return 1;
}

int memory_unpark(struct memory *m)
{
	if (!m->parked.active && !m->parking)
		return 0;
	if (m->lost)
		return m->lost;
	int r = memory_unpark_begin(m);
	while (!r && m->waking) {
		r = memory_unpark_go_on(m);
		if (r == 1)
			r = 0;
	}
	if (m->dropping)
		memory_drop(m);
	return r;
}
