/* SPDX-License-Identifier: MIT */
/*
 * Unparking in pieces: what an earlier attempt or the parking has left is given back first, the bytes are read from the swap file if
 * they are there, on another thread, then mappings and pages are made. Until all is there the memory counts as parked, and whoever
 * needs it at once has the rest done. When it fails, what it had made is given back in pieces, too: others may need it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hidden.h"
#include "memory/freeze.h"
#include "memory/packer.h"
#include "memory/park.h"
#include "memory/space.h"
#include "memory/swap_job.h"

#define DROP_PIECE 16u     /* chunks of pages, or page tables, given back, */
#define ENTRIES_PIECE 128u /* and mappings made in one piece; of pages, what was compressed in one */

struct waking {
	enum { DROP, READ, MAPPINGS, PAGES, SHOW, WIPE, UNDO } phase;
	int error;                /* UNDO: why, */
	bool starved;             /* and whether it was for want of memory in the pool */
	struct swap_job *reading; /* under way; NULL: it is not, or no more: */
	unsigned char *room;      /* what was read from the swap file; NULL: nothing was */
	const unsigned char *bytes;
	bool opened;           /* the bytes are off the account: frames take their place, */
	struct pool_kept kept; /* for which these pages of the pool are kept */
	uint32_t entry;        /* where to go on: a mapping; */
	size_t at, n;          /* a place among the compressed bytes, and how many pages came before it */
	size_t wiped;          /* of the parked bytes, once all is unparked */
};

/* The pages that the parked bytes had are kept for the frames that take their place. What is still being written stays charged. */
static void open_up(struct memory *m, struct waking *w)
{
	size_t size = parked_size(&m->parked);
	w->opened = !m->writing;
	if (!m->account || m->writing)
		return;
	if (m->account->pool)
		pool_keep(m->account->pool, m->account->part, &w->kept, size / PAGE_SIZE);
	account_uncharge(m->account, ACCOUNT_PARKED, size);
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

/* What was read goes, or what is being read once it is. */
static void stop_reading(struct memory *m, struct waking *w)
{
	struct swap_job *j = w->reading;
	w->reading = NULL;
	if (j) {
		unsigned char *bytes = j->bytes;
		if (swap_job_leave(j))
			return;
		w->room = bytes;
	}
	if (w->room && !w->opened && m->account)
		account_uncharge(m->account, ACCOUNT_PARKED, parked_size(&m->parked));
	hidden_free(w->room);
	w->room = NULL;
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
	stop_reading(m, w);
	close_up(m, w);
	free(w);
	memory_swap_look(m);
}

int memory_unpark_begin(struct memory *m)
{
	memory_park_give_up(m);
	if (!m->parked.active || m->waking)
		return 0;
	struct waking *w = calloc(1, sizeof *w);
	if (!w)
		return -ENOMEM;
	if (m->writing && swap_job_over(m->writing))
		memory_swap_leave(m); /* what was written is here, too */
	w->bytes = m->parked.bytes;
	m->waking = w;
	return 0;
}

/* ---- The pieces: 1: more of it; 0: done; -errno ---- */

/* -EINPROGRESS: the file has not given it yet. */
static int read_all(struct memory *m, struct waking *w)
{
	const struct parked *p = &m->parked;
	int r = 0;
	bool full = false;
	if (!p->io)
		return 0;
	if (!w->reading)
		r = swap_job_read(&w->reading, p->io, m->account, p->at, parked_size(p), &full);
	if (full)
		memory_refused(m, -ENOMEM);
	if (r)
		return r;
	if (!swap_job_over(w->reading))
		return -EINPROGRESS;
	r = swap_job_result(w->reading);
	if (!r && w->reading->sum != p->sum)
		r = -EIO;
	w->bytes = w->room = w->reading->bytes;
	swap_job_leave(w->reading);
	w->reading = NULL;
	return r;
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
	memcpy(entries, w->bytes + w->entry * sizeof *entries, n * sizeof *entries);
	w->entry += n;
	r = memory_remap(m, &f, &done, n);
	return r ? r : w->entry < p->nentries;
}

/* Of what lies in n pages' room, as differences; their numbers are behind what it was compressed to. */
static int fill(struct memory *m, const unsigned char *packed, size_t size, size_t n)
{
	unsigned char *content = hidden_alloc(n * PAGE_SIZE, false);
	int r = content ? packer_unpack(content, n * PAGE_SIZE, packed, size) : -ENOMEM;
	for (size_t i = 0; !r && i < n; i++) {
		uint64_t page;
		memcpy(&page, packed + size + i * sizeof page, sizeof page);
		r = memory_fill(m, page, content + i * PAGE_SIZE);
	}
	hidden_free(content);
	return r;
}

static int fill_some(struct memory *m, const struct parked *p, struct waking *w)
{
	const unsigned char *packed = w->bytes + p->nentries * sizeof(struct frozen_entry) + w->at;
	size_t left = p->packed - w->at, size = left;
	if (!left || w->n == p->npages)
		return !left && w->n == p->npages ? 0 : -EIO;
	size_t plain = packer_plain(packed, &size), n = plain / PAGE_SIZE;
	if (!n || plain % PAGE_SIZE || n > p->npages - w->n || (left - size) / sizeof(uint64_t) < n)
		return -EIO;
	int r = fill(m, packed, size, n);
	w->at += size + n * sizeof(uint64_t);
	w->n += n;
	return r ? r : 1;
}

/* All is there: the parked bytes go, unless they are still being written. */
static void let_bytes_go(struct memory *m)
{
	if (m->writing && !memory_swap_leave(m))
		parked_count(m, &m->parked, false);
}

static int piece(struct memory *m, struct waking *w)
{
	struct parked *p = &m->parked;
	int r = 0;
	switch (w->phase) {
	case DROP:
		return m->dropping && memory_drop_some(m, DROP_PIECE);
	case READ:
		r = read_all(m, w);
		if (!r)
			open_up(m, w);
		return r;
	case MAPPINGS:
		return map_some(m, p, w);
	case PAGES:
		return fill_some(m, p, w);
	case SHOW:
		r = memory_map_again(m, p->info);
		if (!r)
			let_bytes_go(m);
		return r;
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
	if (r == -EINPROGRESS)
		return r;
	if (r < 0 && w->phase == UNDO) {
		m->starved = w->starved;
		memory_unpark_give_up(m);
		return r;
	}
	if (r < 0) {
		w->error = r;
		w->starved = m->starved;
		stop_reading(m, w);
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
