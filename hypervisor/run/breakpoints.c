/* SPDX-License-Identifier: MIT */
/* A debugger's breakpoints: a byte of the guest's code, in a copy that is the guest's own. */
#include <errno.h>

#include "run/debugger.h"

struct breakpoint *breakpoint_at(struct cassin_debugger *d, uint64_t va)
{
	for (unsigned i = 0; i < d->nbreakpoints; i++) {
		if (d->breakpoints[i].va == va)
			return &d->breakpoints[i];
	}
	return NULL;
}

int breakpoint_set(struct guest *g, uint64_t va)
{
	static const unsigned char trap = BREAKPOINT_BYTE;
	struct cassin_debugger *d = g->debugger;
	struct breakpoint b = {.va = va};
	if (breakpoint_at(d, va))
		return 0;
	if (d->nbreakpoints == CASSIN_DEBUG_BREAKPOINTS_MAX)
		return -ENOSPC;
	int r = memory_copyin(&g->memory, &b.original, gva(va), sizeof b.original);
	if (!r)
		r = memory_poke(&g->memory, gva(va), &trap, sizeof trap);
	if (!r)
		d->breakpoints[d->nbreakpoints++] = b;
	return r;
}

/* What is mapped there now may be another page, or none: then there is nothing to put back. */
int breakpoint_clear(struct guest *g, uint64_t va)
{
	struct cassin_debugger *d = g->debugger;
	struct breakpoint *b = breakpoint_at(d, va);
	unsigned char now = 0;
	if (!b)
		return -ENOENT;
	if (!memory_copyin(&g->memory, &now, gva(va), sizeof now) && now == BREAKPOINT_BYTE)
		memory_poke(&g->memory, gva(va), &b->original, sizeof b->original);
	*b = d->breakpoints[--d->nbreakpoints];
	return 0;
}

void breakpoints_hide(struct cassin_debugger *d, uint64_t va, unsigned char *bytes, size_t len)
{
	for (unsigned i = 0; i < d->nbreakpoints; i++) {
		const struct breakpoint *b = &d->breakpoints[i];
		if (b->va - va < len)
			bytes[b->va - va] = b->original;
	}
}

void breakpoints_keep(struct cassin_debugger *d, uint64_t va, unsigned char *bytes, size_t len)
{
	for (unsigned i = 0; i < d->nbreakpoints; i++) {
		struct breakpoint *b = &d->breakpoints[i];
		if (b->va - va < len) {
			b->original = bytes[b->va - va];
			bytes[b->va - va] = BREAKPOINT_BYTE;
		}
	}
}
