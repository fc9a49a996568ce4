/* SPDX-License-Identifier: MIT */
#include "base/hidden.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAPPED_FROM ((size_t)256 << 10)

/* Before what the caller gets, which keeps the alignment of malloc(). */
struct head {
	_Alignas(max_align_t) size_t size; /* with this head */
	bool mapped;
};

void *hidden_alloc(size_t size, bool lasting)
{
	size_t all;
	if (__builtin_add_overflow(size, sizeof(struct head), &all))
		return NULL;
	bool mapped = lasting || all >= MAPPED_FROM;
	struct head *h = mapped ? mmap(NULL, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
				: malloc(all);
	if (!h || h == MAP_FAILED)
		return NULL;
	if (mapped)
		madvise(h, all, MADV_DONTDUMP);
	*h = (struct head){.size = all, .mapped = mapped};
	return h + 1;
}

void hidden_free(void *at)
{
	if (!at)
		return;
	struct head *h = (struct head *)at - 1;
	if (h->mapped) {
		munmap(h, h->size);
		return;
	}
	explicit_bzero(at, h->size - sizeof *h);
	free(h);
}
