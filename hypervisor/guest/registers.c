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
		CPU_GENERAL_OF(from),
		.rflags = from->rflags & RFLAGS_KEPT,
	};
	g->cpu.fs_base = from->fs_base;
}

void registers_get(const struct guest *g, struct cassin_registers *to)
{
	const struct cpu_registers *r = &g->cpu.regs;
	*to = (struct cassin_registers){
		CPU_GENERAL_OF(r),
		.rflags = r->rflags & RFLAGS_KEPT,
		.fs_base = g->cpu.fs_base,
	};
}
