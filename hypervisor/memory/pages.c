/* SPDX-License-Identifier: MIT */
/* From the numbers of a guest's pages to their frames, and what that takes on the guest's account. */
#include "memory/pages.h"

#include <stdlib.h>
#include <string.h>

#include "cell/cell.h"
#include "memory/chunks.h"

static bool charge(struct memory *m, uint64_t bytes)
{
	return !m->account || !memory_refused(m, account_charge(m->account, ACCOUNT_GUESTS, bytes));
}

static void discharge(struct memory *m, uint64_t bytes)
{
	if (m->account)
		account_uncharge(m->account, ACCOUNT_GUESTS, bytes);
}

/* A guest that touches its pages from the last one on needs the whole list at once. */
static bool grow(struct memory *m, uint64_t n)
{
	uint64_t more = (n - m->nchunks) * sizeof *m->chunks;
	if (!charge(m, more))
		return false;
	struct chunk **chunks = realloc(m->chunks, n * sizeof *chunks);
	if (!chunks) {
		discharge(m, more);
		return false;
	}
	memset(chunks + m->nchunks, 0, more);
	m->chunks = chunks;
	m->nchunks = (uint32_t)n;
	return true;
}

static struct chunk *make(struct memory *m)
{
	if (!charge(m, sizeof(struct chunk)))
		return NULL;
	struct chunk *c = chunk_new();
	if (!c)
		discharge(m, sizeof *c);
	return c;
}

frame_t *pages_slot(struct memory *m, uint64_t page, bool create)
{
	uint64_t i = page / CHUNK_PAGES;
	if (i >= m->nchunks && (!create || !grow(m, i + 4)))
		return NULL;
	if (!m->chunks[i] && create)
		m->chunks[i] = make(m);
	return m->chunks[i] ? &m->chunks[i]->frame[page % CHUNK_PAGES] : NULL;
}

static void drop(struct memory *m, struct chunk *c)
{
	frame_t used[CHUNK_PAGES];
	size_t n = 0;
	for (unsigned p = 0; p < CHUNK_PAGES; p++) {
		if (c->frame[p])
			used[n++] = c->frame[p];
	}
	frames_free(&m->cell->frames, used, n);
	chunk_free(c);
}

uint32_t pages_drop_some(struct memory *m, uint32_t most)
{
	uint32_t n = m->nchunks < most ? m->nchunks : most;
	uint64_t bytes = n * sizeof *m->chunks;
	for (uint32_t i = 0; i < n; i++) {
		struct chunk *c = m->chunks[--m->nchunks];
		if (c) {
			drop(m, c);
			bytes += sizeof *c;
		}
	}
	discharge(m, bytes);
	if (!m->nchunks) {
		free(m->chunks);
		m->chunks = NULL;
	}
	return n;
}
