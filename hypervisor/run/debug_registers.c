/* SPDX-License-Identifier: MIT */
/* A stopped guest's registers: from its own and from its extended state to the public form, and back. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cell/pagetable.h"
#include "guest/guest.h"
#include "run/debugger.h"

/* Intel SDM volume 1, table 10-2: the legacy region of an XSAVE image in 64-bit form. */
struct fxsave {
	uint16_t fcw, fsw;
	uint8_t ftw, rsv;
	uint16_t fop;
	uint64_t fip, fdp;
	uint32_t mxcsr, mxcsr_mask;
	uint8_t st[8][16];
	uint8_t xmm[16][CASSIN_DEBUG_XMM_BYTES];
};
_Static_assert(offsetof(struct fxsave, xmm) == 160, "FXSAVE's layout");

#define MXCSR_KNOWN 0xffffu

static void general_of(struct cpu_registers *r, uint64_t *all[16])
{
	uint64_t *const these[16] = {&r->rax, &r->rbx, &r->rcx, &r->rdx, &r->rsi, &r->rdi, &r->rbp, &r->rsp,
				     &r->r8,  &r->r9,  &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15};
	memcpy(all, these, sizeof these);
}

void debug_registers_get(const struct guest *g, struct cassin_debug_registers *out)
{
	struct cpu_registers regs = g->cpu.regs;
	uint64_t *general[16];
	struct fxsave f;
	general_of(&regs, general);
	*out = (struct cassin_debug_registers){
		.rip = regs.rip,
		.rflags = regs.rflags & ~RFLAGS_TF,
		.fs_base = g->cpu.fs_base,
		.cs = GDT_USER_CODE * 8 | 3,
		.ss = GDT_USER_DATA * 8 | 3,
		.ds = GDT_USER_DATA * 8 | 3,
		.es = GDT_USER_DATA * 8 | 3,
		.fs = GDT_USER_DATA * 8 | 3,
		.gs = GDT_USER_DATA * 8 | 3,
	};
	for (int i = 0; i < 16; i++)
		out->general[i] = *general[i];
	memcpy(&f, g->cpu.xstate ? g->cpu.xstate : g->cell->backend->extended.initial, sizeof f);
	for (int i = 0; i < 8; i++)
		memcpy(out->st[i], f.st[i], sizeof out->st[i]);
	out->fctrl = f.fcw;
	out->fstat = f.fsw;
	out->fop = f.fop;
	out->ftag = f.ftw;
	out->fip = f.fip;
	out->fdp = f.fdp;
	memcpy(out->xmm, f.xmm, sizeof out->xmm);
	out->mxcsr = f.mxcsr;
}

/* The extended state with these registers in it, malloc'd; the rest is as it was. */
static void *extended_with(const struct guest *g, const struct cassin_debug_registers *r)
{
	const struct extended *usual = &g->cell->backend->extended;
	unsigned char *state = malloc(usual->size);
	struct fxsave f;
	uint64_t components;
	if (!state)
		return NULL;
	memcpy(state, g->cpu.xstate ? g->cpu.xstate : usual->initial, usual->size);
	memcpy(&f, state, sizeof f);
	for (int i = 0; i < 8; i++)
		memcpy(f.st[i], r->st[i], sizeof r->st[i]);
	f.fcw = r->fctrl;
	f.fsw = r->fstat;
	f.fop = r->fop;
	f.ftw = r->ftag;
	f.fip = r->fip;
	f.fdp = r->fdp;
	memcpy(f.xmm, r->xmm, sizeof f.xmm);
	f.mxcsr = r->mxcsr & MXCSR_KNOWN;
	memcpy(state, &f, sizeof f);
	memcpy(&components, state + XSTATE_BV_AT, sizeof components);
	components |= XSTATE_LEGACY;
	memcpy(state + XSTATE_BV_AT, &components, sizeof components);
	return state;
}

static bool same_extended(const struct cassin_debug_registers *a, const struct cassin_debug_registers *b)
{
	return !memcmp(a->st, b->st, sizeof a->st) && !memcmp(a->xmm, b->xmm, sizeof a->xmm) && a->fctrl == b->fctrl &&
	       a->fstat == b->fstat && a->fop == b->fop && a->ftag == b->ftag && a->fip == b->fip && a->fdp == b->fdp &&
	       a->mxcsr == b->mxcsr;
}

int debug_registers_set(struct guest *g, const struct cassin_debug_registers *r)
{
	struct cassin_debug_registers now;
	uint64_t *general[16];
	if (r->rip >= CASSIN_VA_END || r->fs_base >= CASSIN_VA_END)
		return -EINVAL;
	debug_registers_get(g, &now);
	if (!same_extended(&now, r)) {
		void *state = extended_with(g, r);
		if (!state)
			return -ENOMEM;
		free(g->cpu.xstate);
		g->cpu.xstate = state;
	}
	general_of(&g->cpu.regs, general);
	for (int i = 0; i < 16; i++)
		*general[i] = r->general[i];
	g->cpu.regs.rip = r->rip;
	g->cpu.regs.rflags = r->rflags & ~RFLAGS_TF;
	if (g->cpu.fs_base != r->fs_base || !same_extended(&now, r)) {
		g->cpu.fs_base = r->fs_base;
		g->cpu.incarnation = incarnation_next(); /* no vCPU holds what it has now */
	}
	return 0;
}
