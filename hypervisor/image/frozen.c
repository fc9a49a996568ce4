/* SPDX-License-Identifier: MIT */
#include "image/frozen.h"

#include <stdlib.h>

#include "base/hidden.h"

void frozen_clear(struct frozen *f)
{
	free(f->page);
	hidden_free(f->content);
	free(f->entries);
	*f = (struct frozen){0};
}

struct frozen *frozen_new(void)
{
	struct frozen *f = calloc(1, sizeof *f);
	if (f)
		atomic_init(&f->refs, 1);
	return f;
}

struct frozen *frozen_get(struct frozen *f)
{
	if (f)
		atomic_fetch_add(&f->refs, 1);
	return f;
}

void frozen_put(struct frozen *f)
{
	if (!f || atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	frozen_clear(f);
	free(f);
}

uint64_t frozen_bytes(const struct frozen *f)
{
	return f->npages * (PAGE_SIZE + sizeof *f->page);
}

const void *frozen_page(const struct frozen *f, uint64_t page, size_t *index)
{
	size_t low = 0, high = f->npages;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (f->page[middle] < page)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == f->npages || f->page[low] != page)
		return NULL;
	*index = low;
	return f->content + low * PAGE_SIZE;
}
