/* SPDX-License-Identifier: MIT */
#include "memory/park.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "base/hash.h"
#include "base/hidden.h"
#include "base/swap.h"
#include "cell/cell.h"
#include "memory/freeze.h"
#include "memory/space.h"

/* A thread's workspace for zstd, which is large to make and to clear for a few pages. */
struct packer {
	ZSTD_CCtx *pack;
	ZSTD_DCtx *unpack;
};

static pthread_key_t packer_key;
static pthread_once_t packer_once = PTHREAD_ONCE_INIT;
static bool packer_keyed;

static void packer_free(void *opaque)
{
	struct packer *p = opaque;
	ZSTD_freeCCtx(p->pack);
	ZSTD_freeDCtx(p->unpack);
	free(p);
}

static void packer_init(void)
{
	packer_keyed = !pthread_key_create(&packer_key, packer_free);
}

/* The calling thread's. NULL: no memory. */
static struct packer *packer(void)
{
	pthread_once(&packer_once, packer_init);
	struct packer *p = packer_keyed ? pthread_getspecific(packer_key) : NULL;
	if (p || !packer_keyed)
		return p;
	p = calloc(1, sizeof *p);
	if (!p)
		return NULL;
	p->pack = ZSTD_createCCtx();
	p->unpack = ZSTD_createDCtx();
	if (p->pack && p->unpack && !pthread_setspecific(packer_key, p))
		return p;
	packer_free(p);
	return NULL;
}

/* Folds f up, into memory of the C library's. */
static int pack(struct parked *p, const struct memory *m, const struct frozen *f)
{
	size_t pages = f->npages * sizeof *f->page, entries = f->nentries * sizeof *f->entries;
	size_t size = f->npages * PAGE_SIZE, room = ZSTD_compressBound(size);
	struct packer *own = packer();
	unsigned char *bytes = own ? malloc(pages + entries + room) : NULL;
	if (!bytes)
		return -ENOMEM;
	size_t packed = size ? ZSTD_compressCCtx(own->pack, bytes + pages + entries, room, f->content, size, PARK_LEVEL)
			     : 0;
	if (ZSTD_isError(packed) || packed > UINT32_MAX) {
		free(bytes);
		return -ENOMEM;
	}
	memcpy(bytes, f->page, pages);
	if (entries)
		memcpy(bytes + pages, f->entries, entries);
	*p = (struct parked){
		.bytes = bytes,
		.npages = (uint32_t)f->npages,
		.room = (uint32_t)f->npages,
		.nentries = (uint32_t)f->nentries,
		.packed = (uint32_t)packed,
		.active = true,
		.info = m->info,
	};
	return 0;
}

size_t parked_size(const struct parked *p)
{
	return p->room * sizeof(uint64_t) + p->nentries * sizeof(struct frozen_entry) + p->packed;
}

bool parked_wipe_some(struct parked *p, size_t *at)
{
	return p->bytes && hidden_wipe_some(p->bytes, parked_size(p), at);
}

static void wipe_rest(struct parked *p, size_t at)
{
	while (parked_wipe_some(p, &at)) {
	}
	free(p->bytes);
	p->bytes = NULL;
}

void parked_wipe(struct parked *p)
{
	wipe_rest(p, 0);
}

/* Moves the bytes to the swap file. False: it is full, or broken. */
static bool swap_out(struct parked *p, struct swap *swap)
{
	size_t size = parked_size(p);
	if (swap_write(swap, p->bytes, size, &p->at))
		return false;
	p->swap = swap;
	p->sum = hash_fnv(p->bytes, size);
	parked_wipe(p);
	return true;
}

void parked_fit(struct parked *p)
{
	unsigned char *fitted = realloc(p->bytes, parked_size(p) + 1);
	if (fitted)
		p->bytes = fitted;
}

void parked_count(struct memory *m, const struct parked *p, bool held)
{
	if (!m->account || p->swap)
		return;
	if (held)
		account_force(m->account, ACCOUNT_PARKED, parked_size(p));
	else
		account_uncharge(m->account, ACCOUNT_PARKED, parked_size(p));
}

int memory_park(struct memory *m, struct swap *swap)
{
	struct frozen f = {0};
	struct parked p;
	if (m->parked.active)
		return m->waking ? -EBUSY : 0;
	memory_park_give_up(m);
	if (m->tables.ncommits || m->tables.flush)
		return -EBUSY;
	int r = memory_freeze(m, false, &f);
	if (r)
		return r;
	r = pack(&p, m, &f);
	frozen_clear(&f);
	if (r)
		return r;
	memory_drop(m);
	if (!swap || !swap_out(&p, swap))
		parked_fit(&p);
	parked_count(m, &p, true);
	m->parked = p;
	return 0;
}

void parked_free(struct parked *p, size_t wiped)
{
	if (p->active && p->swap)
		swap_free(p->swap, p->at, parked_size(p));
	if (p->active)
		wipe_rest(p, wiped);
	*p = (struct parked){.active = false};
}

int parked_fill(struct memory *m, const unsigned char *bytes, size_t *size, const unsigned char *numbers, size_t most,
		size_t *n)
{
	struct packer *own = packer();
	unsigned long long plain = ZSTD_getFrameContentSize(bytes, *size);
	*size = ZSTD_findFrameCompressedSize(bytes, *size);
	if (ZSTD_isError(*size) || !plain || plain > most * PAGE_SIZE || plain % PAGE_SIZE)
		return -EIO;
	*n = plain / PAGE_SIZE;
	unsigned char *content = own ? hidden_alloc(plain, false) : NULL;
	int r = content ? 0 : -ENOMEM;
	if (!r && ZSTD_decompressDCtx(own->unpack, content, plain, bytes, *size) != plain)
		r = -EIO;
	for (size_t i = 0; !r && i < *n; i++) {
		uint64_t page;
		memcpy(&page, numbers + i * sizeof page, sizeof page);
		r = memory_fill(m, page, content + i * PAGE_SIZE);
	}
	hidden_free(content);
	return r;
}
