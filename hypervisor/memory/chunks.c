/* SPDX-License-Identifier: MIT */
#include "memory/chunks.h"

#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "memory/memory.h"

#define PER_PAGE (PAGE_SIZE / sizeof(struct chunk))
#define FULL ((UINT32_C(1) << PER_PAGE) - 1)
#define PAGES (UINT32_C(1) << 20) /* of address space: chunks for 4 TiB of guests' memory */
#define PAGES_LEAST (UINT32_C(1) << 12)
#define OPENED_AT_ONCE 256u /* pages */
#define SPARE_MOST 64u      /* empty pages that are not given back yet */
#define NONE UINT32_MAX

/* What is known of a page. It is in a list while it has room. */
struct holder {
	uint32_t taken; /* a bit for each chunk */
	uint32_t next, prev;
};

static struct {
	pthread_mutex_t lock;
	struct chunk *at;
	struct holder *holders;
	uint32_t pages;  /* that there can ever be */
	uint32_t opened; /* of them, from the start: may be touched */
	uint32_t fresh;  /* pages never used are from here on */
	uint32_t partial, spare,
		gone; /* lists of pages: with chunks and room; empty; empty and given back to the host */
	uint32_t nspare, kept;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER, .partial = NONE, .spare = NONE, .gone = NONE};

_Static_assert(PAGE_SIZE % sizeof(struct chunk) == 0 && PER_PAGE < 32, "a bit for each chunk of a page");

static void put(uint32_t *list, uint32_t page)
{
	struct holder *h = &all.holders[page];
	h->prev = NONE;
	h->next = *list;
	if (*list != NONE)
		all.holders[*list].prev = page;
	*list = page;
}

static void take_out(uint32_t *list, uint32_t page)
{
	struct holder *h = &all.holders[page];
	if (h->next != NONE)
		all.holders[h->next].prev = h->prev;
	if (h->prev != NONE)
		all.holders[h->prev].next = h->next;
	else
		*list = h->next;
}

static void *reserve(size_t size, int rights)
{
	void *at = mmap(NULL, size, rights, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return at == MAP_FAILED ? NULL : at;
}

/* Address space for all there can ever be; an eighth of what can be had, where this process may not have so much. */
static void *reserve_most(uint32_t *pages)
{
	*pages = PAGES;
	void *at = reserve((size_t)PAGES * PAGE_SIZE, PROT_NONE);
	while (!at && (*pages /= 2) >= PAGES_LEAST)
		at = reserve((size_t)*pages * PAGE_SIZE, PROT_NONE);
	if (at && *pages < PAGES) {
		munmap((char *)at + (size_t)*pages / 8 * PAGE_SIZE, (size_t)*pages / 8 * 7 * PAGE_SIZE);
		*pages /= 8;
	}
	return at;
}

/* Memory comes with use. Nothing can be touched yet, or a host with vm.overcommit_memory 2 would count it all. */
static bool begin(void)
{
	if (!all.at && (all.at = reserve_most(&all.pages)))
		madvise(all.at, (size_t)all.pages * PAGE_SIZE,
			MADV_NOHUGEPAGE); /* or pages would not go back one by one */
	if (all.at && !all.holders)
		all.holders = reserve(all.pages * sizeof *all.holders, PROT_READ | PROT_WRITE);
	return all.at && all.holders;
}

static bool open_more(void)
{
	uint32_t n = all.pages - all.opened < OPENED_AT_ONCE ? all.pages - all.opened : OPENED_AT_ONCE;
	if (!n || mprotect(all.at + (size_t)all.opened * PER_PAGE, (size_t)n * PAGE_SIZE, PROT_READ | PROT_WRITE))
		return false;
	all.opened += n;
	return true;
}

/* Takes an empty page into the list of those with room. */
static bool grow(void)
{
	uint32_t page;
	if (all.spare != NONE) {
		take_out(&all.spare, page = all.spare);
		all.nspare--;
	} else {
		if (all.gone != NONE)
			take_out(&all.gone, page = all.gone);
		else if (all.fresh < all.opened || open_more())
			page = all.fresh++;
		else
			return false;
		all.kept++;
	}
	put(&all.partial, page);
	return true;
}

struct chunk *chunk_new(void)
{
	struct chunk *c = NULL;
	pthread_mutex_lock(&all.lock);
	if (begin() && (all.partial != NONE || grow())) {
		uint32_t page = all.partial;
		struct holder *h = &all.holders[page];
		uint32_t i = (uint32_t)__builtin_ctz(~h->taken);
		h->taken |= UINT32_C(1) << i;
		if (h->taken == FULL)
			take_out(&all.partial, page);
		c = all.at + (size_t)page * PER_PAGE + i;
	}
	pthread_mutex_unlock(&all.lock);
	if (c)
		memset(c, 0, sizeof *c);
	return c;
}

static void emptied(uint32_t page)
{
	take_out(&all.partial, page);
	if (all.nspare < SPARE_MOST) {
		put(&all.spare, page);
		all.nspare++;
		return;
	}
	madvise(all.at + (size_t)page * PER_PAGE, PAGE_SIZE, MADV_DONTNEED);
	put(&all.gone, page);
	all.kept--;
}

void chunk_free(struct chunk *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&all.lock);
	size_t i = (size_t)(c - all.at);
	uint32_t page = (uint32_t)(i / PER_PAGE);
	struct holder *h = &all.holders[page];
	if (h->taken == FULL)
		put(&all.partial, page);
	h->taken &= ~(UINT32_C(1) << i % PER_PAGE);
	if (!h->taken)
		emptied(page);
	pthread_mutex_unlock(&all.lock);
}

size_t chunks_kept(void)
{
	pthread_mutex_lock(&all.lock);
	size_t n = (size_t)all.kept * PAGE_SIZE;
	pthread_mutex_unlock(&all.lock);
	return n;
}
