/* SPDX-License-Identifier: MIT */
#include "image/frozen.h"

#include <stdlib.h>

void frozen_free(struct frozen *f)
{
	free(f->page);
	free(f->content);
	free(f->entries);
	*f = (struct frozen){0};
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
