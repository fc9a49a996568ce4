/* SPDX-License-Identifier: MIT */
#include "base/hidden.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE 4096u
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

bool hidden_wipe_some(void *bytes, size_t size, size_t *at)
{
	size_t n = size - *at < HIDDEN_PIECE ? size - *at : HIDDEN_PIECE;
	unsigned char *from = (unsigned char *)bytes + *at, *to = from + n;
	unsigned char *first = from + (-(uintptr_t)from & (PAGE - 1)), *last = to - ((uintptr_t)to & (PAGE - 1));
	if (first < last && !madvise(first, (size_t)(last - first), MADV_DONTNEED)) {
		explicit_bzero(from, (size_t)(first - from));
		explicit_bzero(last, (size_t)(to - last));
	} else if (n) {
		explicit_bzero(from, n);
	}
	*at += n;
	return *at < size;
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
