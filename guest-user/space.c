/* SPDX-License-Identifier: MIT */
#include "space.h"

#include <cassin/kernel.h>
#include <cassin/user_abi.h>

#define PAGE ((uint64_t)CASSIN_PAGE_SIZE)

struct piece {
	struct piece *next;
	uint64_t va, size, rights;
	uint8_t *bytes;
};

int space_make(struct space *s, uint64_t most)
{
	int64_t number = cassin_space_create();
	if (number < 0)
		return -CASSIN_ENOMEM;
	*s = (struct space){.number = (uint64_t)number, .most = most};
	return 0;
}

void space_free(struct space *s)
{
	if (cassin_space_destroy(s->number)) /* its pages would be others' and its own */
		cassin_panic("space %lu cannot be destroyed", s->number);
	while (s->pieces) {
		struct piece *p = s->pieces;
		s->pieces = p->next;
		cassin_free(p->bytes);
		cassin_free(p);
	}
}

static uint64_t page_number(const uint8_t *at)
{
	return cassin_boot->heap_page + ((uint64_t)at - cassin_boot->heap) / PAGE;
}

/* Whole pages, with none of the heap's own bytes in them. */
static struct piece *make_piece(const struct space *s, uint64_t va, uint64_t size, uint64_t rights)
{
	struct piece *p = cassin_alloc(sizeof *p);
	if (!p)
		return NULL;
	*p = (struct piece){.va = va, .size = size, .rights = rights, .bytes = cassin_alloc_aligned(PAGE, size)};
	if (p->bytes) {
		memset(p->bytes, 0, size);
		if (!cassin_map(s->number, (void *)va, page_number(p->bytes), size / PAGE, rights))
			return p;
	}
	cassin_free(p->bytes);
	cassin_free(p);
	return NULL;
}

int space_add(struct space *s, uint64_t va, uint64_t size, uint64_t rights, uint8_t **at)
{
	uint64_t first = va & ~(PAGE - 1), end = (va + size + PAGE - 1) & ~(PAGE - 1), pages = (end - first) / PAGE;
	if (pages > s->most - s->pages)
		return -CASSIN_ENOMEM;
	struct piece *p = make_piece(s, first, end - first, rights);
	if (!p)
		return -CASSIN_ENOMEM;
	p->next = s->pieces;
	s->pieces = p;
	s->pages += pages;
	*at = p->bytes + (va - first);
	return 0;
}

/* Where the kernel has `va`, and in *len at most as many bytes as follow it there. NULL: not with these rights. */
static uint8_t *find(const struct space *s, uint64_t va, uint64_t rights, size_t *len)
{
	for (const struct piece *p = s->pieces; p; p = p->next) {
		if (va < p->va || va - p->va >= p->size)
			continue;
		uint64_t behind = p->size - (va - p->va);
		if (*len > behind)
			*len = behind;
		return (p->rights & rights) == rights ? p->bytes + (va - p->va) : NULL;
	}
	return NULL;
}

int space_read(const struct space *s, void *to, uint64_t va, size_t len)
{
	for (size_t done = 0, n; done < len; done += n) {
		n = len - done;
		const uint8_t *at = find(s, va + done, CASSIN_READ, &n);
		if (!at)
			return -CASSIN_EFAULT;
		memcpy((char *)to + done, at, n);
	}
	return 0;
}

int space_write(const struct space *s, uint64_t va, const void *from, size_t len)
{
	for (size_t done = 0, n; done < len; done += n) {
		n = len - done;
		uint8_t *at = find(s, va + done, CASSIN_READ | CASSIN_WRITE, &n);
		if (!at)
			return -CASSIN_EFAULT;
		memcpy(at, (const char *)from + done, n);
	}
	return 0;
}

int64_t space_grow(struct space *s, uint64_t bytes)
{
	uint64_t was = s->heap_end;
	uint8_t *at;
	if (bytes > CASSIN_USER_END - was)
		return -CASSIN_ENOMEM;
	if (was + bytes > s->heap_mapped) {
		uint64_t more = (was + bytes - s->heap_mapped + PAGE - 1) & ~(PAGE - 1);
		if (space_add(s, s->heap_mapped, more, CASSIN_READ | CASSIN_WRITE, &at))
			return -CASSIN_ENOMEM;
		s->heap_mapped += more;
	}
	s->heap_end += bytes;
	return (int64_t)was;
}
