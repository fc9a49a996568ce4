/* SPDX-License-Identifier: MIT */
/* Any bytes as a user program. What is accepted must keep every promise that the loader relies on. */
#include "fuzz.h"

#include <cassin/abi.h>
#include <cassin/user_abi.h>
#include <stdbool.h>

#include "../../guest-user/image.h"

static uint64_t page(uint64_t va)
{
	return va / CASSIN_PAGE_SIZE;
}

static void check_segment(const struct image *i, unsigned n, const uint8_t *data, size_t size)
{
	const struct segment *s = &i->segments[n];
	MUST(s->size && s->va >= CASSIN_USER_STACK_TOP && s->va < CASSIN_USER_END &&
	     s->size <= CASSIN_USER_END - s->va);
	MUST(s->file_size <= s->size && s->bytes >= data && s->bytes <= data + size);
	MUST(s->file_size <= (size_t)(data + size - s->bytes));
	MUST(s->rights & CASSIN_READ && !(s->rights & CASSIN_WRITE && s->rights & CASSIN_EXEC));
	MUST(n == 0 || page(s[-1].va + s[-1].size - 1) < page(s->va));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image i;
	bool entry = false;
	int r = image_read(&i, data, size);
	MUST(r == 0 || r == -CASSIN_ENOEXEC);
	if (r)
		return 0;
	MUST(i.n && i.n <= SEGMENTS_MOST);
	for (unsigned n = 0; n < i.n; n++) {
		const struct segment *s = &i.segments[n];
		check_segment(&i, n, data, size);
		entry |= s->rights & CASSIN_EXEC && i.entry >= s->va && i.entry - s->va < s->size;
	}
	MUST(entry);
	return 0;
}
