/* SPDX-License-Identifier: MIT */
/* What an address is to a guest, in words: for reports of its page faults. */
#include "memory/space.h"

static bool near_stack_guard(const struct memory *m, uint64_t va)
{
	for (unsigned i = 0; i < m->regions->n; i++) {
		const struct region *r = &m->regions->at[i];
		if (!r->segment && !r->what && r->pages == STACK_PAGES)
			return va < r->va && r->va - va <= PAGE_SIZE;
	}
	return false;
}

/* On the page that the stack pointer is in, or on the one below it. */
static bool near_stack_pointer(uint64_t va, uint64_t rsp)
{
	return page_down(va) == page_down(rsp) || page_down(va) == page_down(rsp) - PAGE_SIZE;
}

const char *memory_describe(struct memory *m, uint64_t va, uint64_t rsp)
{
	if (va < CASSIN_VA_MIN)
		return "a null pointer's page";
	if (va >= CASSIN_VA_END)
		return "outside a guest's addresses";
	if (near_stack_guard(m, va))
		return "the stack guard: the stack has overflowed";
	const struct region *r = region_at(m, va);
	struct mapping map = mapping_of(m, 0, page_down(va), space_entry(m, 0, va, false));
	if (!map.mapped && r && near_stack_pointer(va, rsp))
		return "unmapped by the guest, at the stack pointer: a thread's stack has overflowed";
	if (!map.mapped)
		return r ? "unmapped by the guest" : "not mapped";
	if (map.hypervisor)
		return "a read-only page of the hypervisor";
	return r && r->segment ? "an image page without that right" : "a page without that right";
}
