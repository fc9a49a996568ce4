/* SPDX-License-Identifier: MIT */
#include "memory/packer.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <zstd.h>

#define LEVEL 1 /* of compression: a guest that wakes waits for it */

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
static struct packer *own_packer(void)
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

size_t packer_bound(size_t size)
{
	return ZSTD_compressBound(size);
}

long packer_pack(void *to, size_t room, const void *from, size_t size)
{
	struct packer *own = own_packer();
	size_t packed = own ? ZSTD_compressCCtx(own->pack, to, room, from, size, LEVEL) : 0;
	return own && !ZSTD_isError(packed) ? (long)packed : -ENOMEM;
}

size_t packer_plain(const void *from, size_t *size)
{
	unsigned long long plain = ZSTD_getFrameContentSize(from, *size);
	size_t packed = ZSTD_findFrameCompressedSize(from, *size);
	if (ZSTD_isError(packed) || plain == ZSTD_CONTENTSIZE_UNKNOWN || plain == ZSTD_CONTENTSIZE_ERROR)
		return 0;
	*size = packed;
	return plain;
}

int packer_unpack(void *to, size_t plain, const void *from, size_t size)
{
	struct packer *own = own_packer();
	if (!own)
		return -ENOMEM;
	return ZSTD_decompressDCtx(own->unpack, to, plain, from, size) == plain ? 0 : -EIO;
}
