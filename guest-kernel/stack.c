/* SPDX-License-Identifier: MIT */
/*
 * Stacks, from the heap. The page below each is unmapped, so that an overflow ends the guest at once instead of writing
 * over others' memory. Of the usual size a few are kept with their guard pages.
 */
#include <cassin/kernel/local.h>

#include "kernel_private.h"

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

static int call_on(uint64_t top, int (*fn)(int argc, char **argv), int argc, char **argv)
{
	int code = argc;
	void *second = argv;
	__asm__ volatile("mov %%rsp, %%rbx\n\tmov %2, %%rsp\n\tcall *%3\n\tmov %%rbx, %%rsp\n\tmov %%eax, %%edi"
			 : "+D"(code), "+S"(second), "+d"(top), "+c"(fn)
			 :
			 : "rax", "rbx", "r8", "r9", "r10", "r11", "memory", "cc", "st", "st(1)", "st(2)", "st(3)",
			   "st(4)", "st(5)", "st(6)", "st(7)", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6",
			   "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	return code;
}

int cassin_main_on_stack(size_t size, int (*main_fn)(int argc, char **argv), int argc, char **argv)
{
	size_t pages = size / PAGE;
	char *stack = kernel_stack_alloc(pages);
	if (!stack)
		return main_fn(argc, argv);
	kernel.main_low = (uint64_t)stack;
	kernel.main_high = (uint64_t)stack + kernel_stack_bytes(pages);
	return call_on(kernel.main_high & ~(uint64_t)15, main_fn, argc, argv);
}

void kernel_stack_bounds(const struct cassin_thread *t, uint64_t *low, uint64_t *high)
{
	*low = t->stack ? (uint64_t)t->stack : kernel.main_low ? kernel.main_low : cassin_boot->stack_low;
	*high = t->stack ? (uint64_t)t : kernel.main_low ? kernel.main_high : cassin_boot->stack_high;
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
