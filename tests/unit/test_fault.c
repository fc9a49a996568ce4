/* SPDX-License-Identifier: MIT */
/* What a process cell reads off an instruction that has failed. */
#include <criterion/criterion.h>
#include <signal.h>

#include "process/fault.h"

struct instruction {
	const char *what;
	unsigned char bytes[15];
	unsigned n;
	uint64_t address;
	enum access access;
};

/* rax, rsi: 0x600000; rcx: 2; rdi: 0x700000; rsp: 0x800000; rip: 0x400000. */
static const struct instruction instructions[] = {
	{"mov (%rax), %ecx", {0x8b, 0x08}, 2, 0x600000, ACCESS_READ},
	{"mov %ecx, (%rax)", {0x89, 0x08}, 2, 0x600000, ACCESS_WRITE},
	{"mov %ecx, (%rax), its last byte", {0x89, 0x08}, 2, 0x600003, ACCESS_WRITE},
	{"movb $1, 16(%rip)", {0xc6, 0x05, 0x10, 0, 0, 0, 1}, 7, 0x400017, ACCESS_WRITE},
	{"add %ecx, (%rax)", {0x01, 0x08}, 2, 0x600000, ACCESS_WRITE},
	{"cmp %ecx, (%rax)", {0x39, 0x08}, 2, 0x600000, ACCESS_READ},
	{"test %ecx, (%rax)", {0x85, 0x08}, 2, 0x600000, ACCESS_READ},
	{"lock cmpxchg %ecx, (%rax)", {0xf0, 0x0f, 0xb1, 0x08}, 4, 0x600000, ACCESS_WRITE},
	{"xchg %ecx, (%rax)", {0x87, 0x08}, 2, 0x600000, ACCESS_WRITE},
	{"bts %rcx, (%rax), far from it", {0x48, 0x0f, 0xab, 0x08}, 4, 0x900000, ACCESS_WRITE},
	{"bt %rcx, (%rax), far from it", {0x48, 0x0f, 0xa3, 0x08}, 4, 0x900000, ACCESS_READ},
	{"clzero", {0x0f, 0x01, 0xfc}, 3, 0x600000, ACCESS_WRITE},
	{"setc (%rax)", {0x0f, 0x92, 0x00}, 3, 0x600000, ACCESS_WRITE},
	{"movsb, from", {0xa4}, 1, 0x600000, ACCESS_READ},
	{"movsb, to", {0xa4}, 1, 0x700000, ACCESS_WRITE},
	{"rep movsq, from", {0xf3, 0x48, 0xa5}, 3, 0x600000, ACCESS_READ},
	{"rep movsq, to", {0xf3, 0x48, 0xa5}, 3, 0x700000, ACCESS_WRITE},
	{"rep movsq, below where it writes", {0xf3, 0x48, 0xa5}, 3, 0x6ffff8, ACCESS_READ},
	{"stosq", {0x48, 0xab}, 2, 0x700000, ACCESS_WRITE},
	{"lodsq", {0x48, 0xad}, 2, 0x600000, ACCESS_READ},
	{"scasb", {0xae}, 1, 0x700000, ACCESS_READ},
	{"cmpsb", {0xa6}, 1, 0x700000, ACCESS_READ},
	{"push (%rax), the operand", {0xff, 0x30}, 2, 0x600000, ACCESS_READ},
	{"push (%rax), the stack", {0xff, 0x30}, 2, 0x7ffff8, ACCESS_WRITE},
	{"push %rcx", {0x51}, 1, 0x7ffff8, ACCESS_WRITE},
	{"pop %rcx", {0x59}, 1, 0x800000, ACCESS_READ},
	{"pop (%rax), the operand", {0x8f, 0x00}, 2, 0x600000, ACCESS_WRITE},
	{"pop (%rax), the stack", {0x8f, 0x00}, 2, 0x800000, ACCESS_READ},
	{"call *(%rax), the operand", {0xff, 0x10}, 2, 0x600000, ACCESS_READ},
	{"call *(%rax), the stack", {0xff, 0x10}, 2, 0x7ffff8, ACCESS_WRITE},
	{"call", {0xe8, 0, 0, 0, 0}, 5, 0x7ffff8, ACCESS_WRITE},
	{"ret", {0xc3}, 1, 0x800000, ACCESS_READ},
	{"leave", {0xc9}, 1, 0, ACCESS_READ},
	{"mov %rax, %fs:16", {0x64, 0x48, 0x89, 0x04, 0x25, 0x10, 0, 0, 0}, 9, 0x900010, ACCESS_WRITE},
	{"mov %fs:16, %rax", {0x64, 0x48, 0x8b, 0x04, 0x25, 0x10, 0, 0, 0}, 9, 0x900010, ACCESS_READ},
	{"movaps %xmm0, (%rax)", {0x0f, 0x29, 0x00}, 3, 0x60000f, ACCESS_WRITE},
	{"vmovups %ymm0, (%rax)", {0xc5, 0xfc, 0x11, 0x00}, 4, 0x60001f, ACCESS_WRITE},
	{"vmovups (%rax), %ymm0", {0xc5, 0xfc, 0x10, 0x00}, 4, 0x60001f, ACCESS_READ},
	{"vmovdqu64 %zmm0, (%rax)", {0x62, 0xf1, 0xfe, 0x48, 0x7f, 0x00}, 6, 0x60003f, ACCESS_WRITE},
	{"vmaskmovps %ymm0, %ymm1, (%rax)", {0xc4, 0xe2, 0x75, 0x2e, 0x00}, 5, 0x600010, ACCESS_WRITE},
	{"maskmovdqu %xmm1, %xmm0", {0x66, 0x0f, 0xf7, 0xc1}, 4, 0x700000, ACCESS_WRITE},
	{"vgatherdps %ymm2, (%rax,%ymm1), %ymm0", {0xc4, 0xe2, 0x6d, 0x92, 0x04, 0x08}, 6, 0x612345, ACCESS_READ},
	{"vscatterdps %zmm0, (%rax,%zmm1){%k1}", {0x62, 0xf2, 0x7d, 0x49, 0xa2, 0x04, 0x08}, 7, 0x612345, ACCESS_WRITE},
	{"fxsave (%rax)", {0x0f, 0xae, 0x00}, 3, 0x6001ff, ACCESS_WRITE},
	{"fxrstor (%rax)", {0x0f, 0xae, 0x08}, 3, 0x6001ff, ACCESS_READ},
	{"xsave (%rax)", {0x0f, 0xae, 0x20}, 3, 0x600fff, ACCESS_WRITE},
	{"fstpt (%rax)", {0xdb, 0x38}, 2, 0x600000, ACCESS_WRITE},
	{"no instruction", {0x06}, 1, 0x600000, ACCESS_READ},
	{"no bytes", {0}, 0, 0x600000, ACCESS_READ},
};

Test(fault, what_instructions_do_at_an_address)
{
	const struct cpu_registers r = {
		.rax = 0x600000, .rcx = 2, .rsi = 0x600000, .rdi = 0x700000, .rsp = 0x800000, .rip = 0x400000};
	for (size_t i = 0; i < sizeof instructions / sizeof *instructions; i++) {
		const struct instruction *t = &instructions[i];
		cr_expect_eq(instruction_access(t->bytes, t->n, &r, t->address), t->access, "%s", t->what);
	}
}

Test(fault, a_cut_instruction_is_not_whole)
{
	static const unsigned char load[] = {0x8b, 0x04, 0x25, 0, 0, 0x60, 0}; /* mov 0x600000, %eax */
	for (size_t n = 0; n < sizeof load; n++)
		cr_expect_not(instruction_whole(load, n), "%zu bytes", n);
	cr_expect(instruction_whole(load, sizeof load));
}

Test(fault, ports_are_recognised_in_every_form)
{
	static const struct {
		unsigned char bytes[4];
		unsigned n;
		bool names_it; /* with dx = 0xca */
	} all[] = {
		{{0xe6, 0xca}, 2, true},  {{0xe6, 0xcb}, 2, false},
		{{0xe7, 0xca}, 2, true},  {{0x66, 0xe7, 0xca}, 3, true},
		{{0xe4, 0xca}, 2, true},  {{0xe5, 0x80}, 2, false},
		{{0xee}, 1, true},        {{0xef}, 1, true},
		{{0xec}, 1, true},        {{0xed}, 1, true},
		{{0x6e}, 1, true},        {{0x6f}, 1, true},
		{{0x66, 0x6f}, 2, true},  {{0x6c}, 1, true},
		{{0xf3, 0x6d}, 2, true},  {{0xf4}, 1, false},
		{{0x0f, 0x30}, 2, false}, {{0xe6}, 1, false},
		{{0}, 0, false},
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		cr_expect_eq(instruction_port(all[i].bytes, all[i].n, 0xca, 0xca), all[i].names_it, "form %zu", i);
	const unsigned char by_dx = 0xee;
	cr_expect_not(instruction_port(&by_dx, 1, 0x1ca, 0xca));
}

Test(fault, vectors_of_floating_point_errors)
{
	cr_expect_eq(fpe_vector(FPE_INTDIV, 0x3f, 0), 0u);
	cr_expect_eq(fpe_vector(FPE_FLTDIV, 0x04, 0x37b), 16u);
	cr_expect_eq(fpe_vector(FPE_FLTDIV, 0x04, 0x37f), 19u); /* masked: it was not the x87's */
	cr_expect_eq(fpe_vector(FPE_FLTINV, 0, 0x340), 19u);
}

/* Bytes at random: whatever they are, the answer is one of the two, and nothing else is touched. */
Test(fault, any_bytes_are_taken)
{
	uint64_t seed = 1;
	const struct cpu_registers r = {.rsp = UINT64_MAX, .rax = UINT64_MAX / 2};
	for (unsigned i = 0; i < 200000; i++) {
		unsigned char bytes[15];
		for (unsigned k = 0; k < sizeof bytes; k++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407u;
			bytes[k] = (unsigned char)(seed >> 56);
		}
		enum access a = instruction_access(bytes, seed % 16, &r, seed);
		cr_assert(a == ACCESS_READ || a == ACCESS_WRITE);
		if (seed % 16 == 0)
			cr_assert_eq(a, ACCESS_READ);
		instruction_port(bytes, seed % 16, (uint16_t)seed, 0xca);
	}
}
