/* SPDX-License-Identifier: MIT */
#include "guest/registers.h"

#include <errno.h>

#include "guest/guest.h"

int registers_check(const struct cassin_registers *r)
{
	return r->rip < CASSIN_VA_END && r->rsp <= CASSIN_VA_END && r->fs_base < CASSIN_VA_END ? 0 : -EINVAL;
}

void registers_set(struct guest *g, const struct cassin_registers *from)
{
	g->cpu.regs = (struct cpu_registers){
		.rax = from->rax,
		.rbx = from->rbx,
		.rcx = from->rcx,
		.rdx = from->rdx,
		.rsi = from->rsi,
		.rdi = from->rdi,
		.rsp = from->rsp,
		.rbp = from->rbp,
		.r8 = from->r8,
		.r9 = from->r9,
		.r10 = from->r10,
		.r11 = from->r11,
		.r12 = from->r12,
		.r13 = from->r13,
		.r14 = from->r14,
		.r15 = from->r15,
		.rip = from->rip,
		.rflags = from->rflags & RFLAGS_KEPT,
	};
	g->cpu.fs_base = from->fs_base;
}

void registers_get(const struct guest *g, struct cassin_registers *to)
{
	const struct cpu_registers *r = &g->cpu.regs;
	*to = (struct cassin_registers){
		.rax = r->rax,
		.rbx = r->rbx,
		.rcx = r->rcx,
		.rdx = r->rdx,
		.rsi = r->rsi,
		.rdi = r->rdi,
		.rbp = r->rbp,
		.rsp = r->rsp,
		.r8 = r->r8,
		.r9 = r->r9,
		.r10 = r->r10,
		.r11 = r->r11,
		.r12 = r->r12,
		.r13 = r->r13,
		.r14 = r->r14,
		.r15 = r->r15,
		.rip = r->rip,
		.rflags = r->rflags & RFLAGS_KEPT,
		.fs_base = g->cpu.fs_base,
	};
}
