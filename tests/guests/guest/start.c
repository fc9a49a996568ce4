/* SPDX-License-Identifier: MIT */
/* The first moment of a guest, before any library has run. */
#include "check.h"

struct first {
	uint64_t general[16]; /* rax rbx rcx rdx rsi rdi rbp rsp r8 to r15 */
	uint64_t rflags;
	uint8_t vectors[512] __attribute__((aligned(16))); /* as fxsave has them */
};
struct first first;

/* The image's entry point: puts all registers down, then goes on as every guest does. */
__asm__(".text\n.globl first_entry\n.type first_entry, @function\nfirst_entry:\n"
	"mov %rax, first(%rip); mov %rbx, first+8(%rip); mov %rcx, first+16(%rip); mov %rdx, first+24(%rip)\n"
	"mov %rsi, first+32(%rip); mov %rdi, first+40(%rip); mov %rbp, first+48(%rip); mov %rsp, first+56(%rip)\n"
	"mov %r8, first+64(%rip); mov %r9, first+72(%rip); mov %r10, first+80(%rip); mov %r11, first+88(%rip)\n"
	"mov %r12, first+96(%rip); mov %r13, first+104(%rip); mov %r14, first+112(%rip); mov %r15, first+120(%rip)\n"
	"pushf; popq first+128(%rip); fxsave first+144(%rip)\n"
	"jmp _start\n"
	".size first_entry, . - first_entry\n");
_Static_assert(offsetof(struct first, rflags) == 128 && offsetof(struct first, vectors) == 144, "the entry's offsets");

#define RDI 5
#define RSP 7
#define GUESTS_FLAGS UINT64_C(0xcd5)
#define PAGE ((uint64_t)CASSIN_PAGE_SIZE)

static void registers(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (int i = 0; i < 16; i++)
		if (i != RDI && i != RSP)
			CHECK_IS(first.general[i], 0);
	CHECK_IS(first.general[RDI], (uint64_t)cassin_boot);
	CHECK_IS(first.general[RSP], first.general[RDI]);
	CHECK_IS(first.general[RDI] % 16, 0);
	CHECK_IS(first.rflags & GUESTS_FLAGS, 0);
}

static void vectors(int argc, char **argv)
{
	uint16_t x87;
	uint32_t mxcsr;
	(void)argc;
	(void)argv;
	memcpy(&x87, first.vectors, sizeof x87);
	memcpy(&mxcsr, first.vectors + 24, sizeof mxcsr);
	CHECK_IS(x87, 0x037f);
	CHECK_IS(mxcsr, 0x1f80);
	CHECK_IS(first.vectors[4], 0); /* no x87 register is in use */
	for (int i = 160; i < 416; i++)
		CHECK_IS(first.vectors[i], 0);
}

static bool on_top_page(uint64_t at)
{
	return at >= cassin_boot->stack_high - PAGE && at < cassin_boot->stack_high;
}

static void record(int argc, char **argv)
{
	const struct cassin_boot *b = cassin_boot;
	const char *const *args = (const char *const *)b->argv;
	uint8_t drawn = 0;
	(void)argc;
	(void)argv;
	CHECK_IS(b->abi_major, 1);
	CHECK(b->abi_minor >= 2 && b->size >= sizeof *b);
	CHECK_IS(b->argc, 3);
	CHECK(strcmp(args[0], "start.elf") == 0 && strcmp(args[1], "record") == 0 && strcmp(args[2], "last") == 0);
	CHECK(!args[3]);
	CHECK(strlen((const char *)b->name) > 0);
	CHECK(on_top_page((uint64_t)b) && on_top_page(b->argv) && on_top_page(b->name) &&
	      on_top_page((uint64_t)args[2]));
	CHECK_IS(b->pages, (UINT64_C(16) << 20) / PAGE);
	CHECK(b->heap_size >= PAGE && b->heap_size % PAGE == 0);
	CHECK_IS(b->heap_page + b->heap_size / PAGE, b->pages);
	for (size_t i = 0; i < sizeof b->seed; i++)
		drawn |= b->seed[i];
	CHECK(drawn);
	const struct cassin_info_page *info = (const struct cassin_info_page *)b->info_page;
	CHECK(info->abi_major == b->abi_major && info->abi_minor == b->abi_minor);
}

static bool mapped(uint64_t at)
{
	int64_t r = cassin_map(0, (void *)at, cassin_boot->heap_page, 1, CASSIN_READ);
	if (r == 0)
		CHECK_IS(cassin_unmap(0, (void *)at, 1), 0);
	return r == -CASSIN_EEXIST;
}

static void layout(int argc, char **argv)
{
	const struct cassin_boot *b = cassin_boot;
	(void)argc;
	(void)argv;
	CHECK_IS(b->stack_high - b->stack_low, 16 * PAGE);
	CHECK(!mapped(b->stack_low - PAGE) && mapped(b->stack_low - 2 * PAGE));
	for (uint64_t at = b->stack_low; at < b->stack_high; at += PAGE)
		CHECK(mapped(at));
	CHECK(!mapped(b->stack_high));
	CHECK_IS(b->clock_page, b->stack_high + PAGE);
	CHECK_IS(b->info_page, b->clock_page + PAGE);
	CHECK(mapped(b->clock_page) && mapped(b->info_page) && !mapped(b->info_page + PAGE));
	CHECK(b->heap >= b->info_page + 2 * PAGE && b->heap <= b->info_page + 9 * PAGE);
	CHECK(!mapped(b->heap - PAGE));
	CHECK(mapped(b->heap) && mapped(b->heap + b->heap_size - PAGE) && !mapped(b->heap + b->heap_size));
	CHECK(!mapped(CASSIN_VA_MIN));
}

static void must_be(const volatile uint8_t *here, uint64_t page)
{
	CHECK_IS(cassin_map(0, (void *)(uint64_t)ELSEWHERE, page, 1, CASSIN_READ), 0);
	for (uint64_t i = 0; i < PAGE; i++)
		CHECK_IS(ELSEWHERE[i], here[i]);
	CHECK_IS(cassin_unmap(0, (void *)(uint64_t)ELSEWHERE, 1), 0);
}

/* Which pages show where: the image's from 0, the stack's behind them, then the heap's. */
static void numbers(int argc, char **argv)
{
	extern const uint8_t image_begins[] __asm__("__ehdr_start");
	(void)argc;
	(void)argv;
	must_be(image_begins, 0);
	must_be((const volatile uint8_t *)(cassin_boot->stack_high - PAGE), cassin_boot->heap_page - 1);
	*spare(0) = 0x5a;
	must_be(spare(0), spare_page(0));
}

static void limits(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_map(0, (void *)(CASSIN_VA_MIN - PAGE), spare_page(0), 1, CASSIN_READ), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(0, (void *)CASSIN_VA_MIN, spare_page(0), 1, CASSIN_READ), 0);
	CHECK_IS(cassin_map(0, (void *)CASSIN_VA_END, spare_page(0), 1, CASSIN_READ), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(0, (void *)(CASSIN_VA_END - PAGE), spare_page(0), 1, CASSIN_READ), 0);
	CHECK_IS(cassin_map(0, (void *)(CASSIN_VA_END - 2 * PAGE), spare_page(0), 2, CASSIN_READ), -CASSIN_EEXIST);
	CHECK_IS(cassin_protect(0, (void *)cassin_boot->clock_page, 1, CASSIN_READ), -CASSIN_EINVAL);
	CHECK_IS(cassin_protect(0, (void *)cassin_boot->info_page, 1, CASSIN_READ), -CASSIN_EINVAL);
}

/* Returns at once, with 0, and a second time as well. */
static void ready(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_call0(CASSIN_CALL_READY), 0);
	CHECK_IS(cassin_call0(CASSIN_CALL_READY), 0);
	CHECK_IS(cassin_call0(CASSIN_CALL_READY_AT_WAIT), 0);
}

static const struct property all[] = {
	{"registers", registers}, {"vectors", vectors}, {"record", record}, {"layout", layout},
	{"numbers", numbers},     {"limits", limits},   {"ready", ready},
};
PROPERTIES(all)
