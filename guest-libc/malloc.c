/* SPDX-License-Identifier: MIT */
/* guest-lib's heap under the names of the C library, and for its own use. */
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>

#include <cassin/guest/heap.h>

static void *or_errno(struct _reent *r, void *p)
{
	if (!p)
		__errno_r(r) = ENOMEM;
	return p;
}

void *_malloc_r(struct _reent *r, size_t size)
{
	return or_errno(r, cassin_alloc(size));
}

void *_calloc_r(struct _reent *r, size_t count, size_t size)
{
	return or_errno(r, cassin_zalloc(count, size));
}

void *_realloc_r(struct _reent *r, void *p, size_t size)
{
	if (p && !size) {
		cassin_free(p);
		return NULL;
	}
	return or_errno(r, cassin_realloc(p, size));
}

void *_memalign_r(struct _reent *r, size_t align, size_t size)
{
	return or_errno(r, cassin_alloc_aligned(align, size));
}

void _free_r(struct _reent *r, void *p)
{
	(void)r;
	cassin_free(p);
}

void *malloc(size_t size)
{
	return _malloc_r(_REENT, size);
}

void *calloc(size_t count, size_t size)
{
	return _calloc_r(_REENT, count, size);
}

void *realloc(void *p, size_t size)
{
	return _realloc_r(_REENT, p, size);
}

void *memalign(size_t align, size_t size)
{
	return _memalign_r(_REENT, align, size);
}

void *aligned_alloc(size_t align, size_t size)
{
	return _memalign_r(_REENT, align, size);
}

int posix_memalign(void **out, size_t align, size_t size)
{
	if (align < sizeof(void *) || align & (align - 1))
		return EINVAL;
	void *p = cassin_alloc_aligned(align, size);
	if (!p)
		return ENOMEM;
	*out = p;
	return 0;
}

void free(void *p)
{
	cassin_free(p);
}
