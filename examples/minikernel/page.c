/* SPDX-License-Identifier: MIT */
/* Pages of the heap, one by one. */
#include "kernel.h"

struct free_page {
	struct free_page *next;
};

static struct free_page *freed;       /* pages that came back: used first, for they have frames */
static uint64_t heap, first, at, end; /* addresses; `first` is the number of the heap's first page */

void page_start(const struct cassin_boot *boot)
{
	heap = at = boot->heap;
	end = boot->heap + boot->heap_size;
	first = boot->heap_page;
}

void *page_alloc(void)
{
	uint64_t mask = interrupts_off();
	void *page = freed;
	if (freed) {
		freed = freed->next;
		memset(page, 0, CASSIN_PAGE_SIZE);
	} else if (at < end) {
		page = (void *)at; /* zero already */
		at += CASSIN_PAGE_SIZE;
	}
	interrupts_restore(mask);
	return page;
}

void page_free(void *page)
{
	struct free_page *p = page;
	uint64_t mask = interrupts_off();
	p->next = freed;
	freed = p;
	interrupts_restore(mask);
}

uint64_t page_number(const void *page)
{
	return first + ((uint64_t)page - heap) / CASSIN_PAGE_SIZE;
}
