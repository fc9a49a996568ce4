/* SPDX-License-Identifier: MIT */
/* The paging calls: policy is the guest's, the mechanism is ours. */
#include <errno.h>
#include <stdlib.h>

#include "cell/cell.h"
#include "memory/space.h"

#define SPACE_PIECE 16u /* page tables of a space given back in one piece */

static bool rights_valid(uint64_t rights)
{
	return rights && !(rights & ~(uint64_t)(CASSIN_READ | CASSIN_WRITE | CASSIN_EXEC)) && rights & CASSIN_READ &&
	       !(rights & CASSIN_WRITE && rights & CASSIN_EXEC);
}

static int range_check(const struct memory *m, uint64_t space, uint64_t va, uint64_t count)
{
	if (space >= SPACES_MAX || !tables_root(&m->tables, (unsigned)space))
		return -EINVAL;
	if (!count || count > MAP_PAGES_MAX || va % PAGE_SIZE || va < CASSIN_VA_MIN || va >= CASSIN_VA_END ||
	    count > (CASSIN_VA_END - va) >> PAGE_SHIFT)
		return -EINVAL;
	return 0;
}

/* -ENOENT or -EEXIST unless all pages of the range are mapped, or none is. With `tables`, the tables for them are made;
 * empty ones may stay behind when memory ends on the way, which changes nothing that the guest can see. */
static int range_is(struct memory *m, unsigned space, uint64_t va, uint64_t count, bool mapped)
{
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = va + i * PAGE_SIZE;
		struct mapping map = mapping_of(m, space, at, space_entry(m, space, at, false));
		if (map.mapped != mapped)
			return mapped ? -ENOENT : -EEXIST;
	}
	for (uint64_t i = 0; i < count; i++) {
		if (!space_entry(m, space, va + i * PAGE_SIZE, true))
			return -ENOMEM;
	}
	return 0;
}

int memory_map(struct memory *m, unsigned space, gva_t va, uint64_t page, uint64_t count, uint64_t rights)
{
	int r = range_check(m, space, va.v, count);
	if (!r && (!rights_valid(rights) || page >= m->pages || count > m->pages - page))
		r = -EINVAL;
	if (!r)
		r = range_is(m, space, va.v, count, false);
	for (uint64_t i = 0; !r && i < count; i++)
		space_set(m, space, va.v + i * PAGE_SIZE, space_entry(m, space, va.v + i * PAGE_SIZE, false),
			  memory_mapped_value(page + i, rights));
	return r;
}

int memory_unmap(struct memory *m, unsigned space, gva_t va, uint64_t count)
{
	int r = range_check(m, space, va.v, count);
	if (!r)
		r = range_is(m, space, va.v, count, true);
	for (uint64_t i = 0; !r && i < count; i++) {
		uint64_t at = va.v + i * PAGE_SIZE;
		uint64_t hole = space == 0 && region_at(m, at) ? PTE_HOLE : 0;
		space_set(m, space, at, space_entry(m, space, at, false), hole);
	}
	return r;
}

/* A live entry keeps its frame. Write on a shared image page means copy-on-write. */
static uint64_t reprotected(uint64_t old, bool own, unsigned rights)
{
	uint64_t value = old & ~(PTE_W | PTE_D | PTE_COW | PTE_NX);
	if (rights & CASSIN_WRITE)
		value |= own ? PTE_W | PTE_D : PTE_COW;
	if (!(rights & CASSIN_EXEC))
		value |= PTE_NX;
	return value;
}

/* Whether a live entry shows an image's page that is not this guest's own. */
static bool shows_shared(const struct memory *m, uint64_t va, uint64_t entry)
{
	const struct region *r = region_at(m, va);
	frame_t shared = r && !r->what ? cell_image_shared(m->image, r->first + ((va - r->va) >> PAGE_SHIFT))
				       : FRAME_NONE;
	return shared && (entry & PTE_FRAME) == frame_gpa(shared).v;
}

static int refuse_hypervisor(struct memory *m, unsigned space, uint64_t va, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = va + i * PAGE_SIZE;
		if (mapping_of(m, space, at, space_entry(m, space, at, false)).hypervisor)
			return -EINVAL;
	}
	return 0;
}

int memory_protect(struct memory *m, unsigned space, gva_t va, uint64_t count, uint64_t rights)
{
	int r = range_check(m, space, va.v, count);
	if (!r && !rights_valid(rights))
		r = -EINVAL;
	if (!r)
		r = range_is(m, space, va.v, count, true);
	if (!r)
		r = refuse_hypervisor(m, space, va.v, count);
	for (uint64_t i = 0; !r && i < count; i++) {
		uint64_t at = va.v + i * PAGE_SIZE;
		uint64_t *entry = space_entry(m, space, at, false);
		if (*entry & PTE_P) {
			bool own = space != 0 || !shows_shared(m, at, *entry);
			space_set(m, space, at, entry, reprotected(*entry, own, (unsigned)rights));
		} else {
			space_set(m, space, at, entry,
				  memory_mapped_value(mapping_of(m, space, at, entry).page, rights));
		}
	}
	return r;
}

int memory_space_create(struct memory *m)
{
	struct tables *t = &m->tables;
	if (!t->more)
		t->more = calloc(SPACES_MAX - 1, sizeof *t->more);
	if (!t->more)
		return -ENOMEM;
	for (unsigned s = 1; s < SPACES_MAX; s++) {
		if (!tables_root(t, s)) {
			int r = space_make(m, &t->more[s - 1]);
			return r ? r : (int)s;
		}
	}
	return -EMFILE;
}

/* Until the last piece the space is there, with a root, so that its number is nobody else's. */
int memory_space_destroy(struct memory *m, unsigned space)
{
	uint32_t left = SPACE_PIECE;
	if (space >= SPACES_MAX || !tables_root(&m->tables, (unsigned)space))
		return -EINVAL;
	if (space == 0)
		return -EBUSY;
	tables_changed(&m->tables); /* a vCPU that has run in it must not know its root again */
	if (!space_free_some(m, m->tables.more[space - 1], &left))
		return 1;
	m->tables.more[space - 1] = FRAME_NONE;
	return 0;
}
