/* SPDX-License-Identifier: MIT */
/*
 * Stacks, from the heap. The page below each is unmapped, so that an overflow ends the guest at once instead of writing
 * over others' memory. Of the usual size a few are kept with their guard pages.
 */
#include "kernel.h"

#define KEPT_MOST 32u
#define PAGE ((size_t)CASSIN_PAGE_SIZE)
#define USUAL (CASSIN_STACK_DEFAULT / PAGE)

static char *kept[KEPT_MOST];
static unsigned nkept;

static uint64_t page_number(const char *at)
{
	return cassin_boot->heap_page + ((uint64_t)at - cassin_boot->heap) / PAGE;
}

char *kernel_stack_alloc(size_t pages)
{
	if (pages == USUAL && nkept)
		return kept[--nkept];
	if (pages > cassin_boot->heap_size / PAGE)
		return NULL;
	char *guard = cassin_alloc_aligned(PAGE, PAGE + kernel_stack_bytes(pages));
	if (!guard)
		return NULL;
	struct control words = control_save();
	int64_t r = cassin_unmap(0, guard, 1);
	control_load(words);
	if (r) {
		cassin_free(guard);
		return NULL;
	}
	return guard + PAGE;
}

void kernel_stack_free(char *stack, size_t pages)
{
	if (pages == USUAL && nkept < KEPT_MOST) {
		kept[nkept++] = stack;
		return;
	}
	char *guard = stack - PAGE;
	struct control words = control_save();
	int64_t r = cassin_map(0, guard, page_number(guard), 1, CASSIN_READ | CASSIN_WRITE);
	control_load(words);
	if (r)
		cassin_panic("a guard page cannot be mapped again: error %d", (int)-r);
	cassin_free(guard);
}
