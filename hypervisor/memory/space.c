/* SPDX-License-Identifier: MIT */
#include "memory/space.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "cell/cell.h"

#define LEVELS 4
#define ENTRIES 512u
#define COMMITS_FIRST 4u

/* A number that was never given before in this process. */
static uint64_t generation_next(void)
{
	static atomic_uint_fast64_t last;
	return atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
}

static int table_alloc(struct memory *m, frame_t *out)
{
	if (m->table_frames >= memory_tables_most(m->pages))
		return -ENOMEM;
	int r = memory_refused(m, cell_frame_zero(m->cell, out));
	if (!r)
		m->table_frames++;
	return r;
}

static frame_t entry_frame(uint64_t entry)
{
	return (frame_t)((entry & PTE_FRAME) >> PAGE_SHIFT);
}

uint64_t *space_entry(struct memory *m, unsigned space, uint64_t va, bool create)
{
	frame_t table = tables_root(&m->tables, space);
	for (int level = LEVELS - 1; level > 0; level--) {
		uint64_t *entry = (uint64_t *)cell_frame(m->cell, table) + (va >> (PAGE_SHIFT + 9 * level)) % ENTRIES;
		if (!(*entry & PTE_P)) {
			frame_t f;
			if (!create || table_alloc(m, &f))
				return NULL;
			*entry = frame_gpa(f).v | PTE_TABLE;
		}
		table = entry_frame(*entry);
	}
	return (uint64_t *)cell_frame(m->cell, table) + (va >> PAGE_SHIFT) % ENTRIES;
}

static bool commit_room(struct memory *m)
{
	if (m->tables.ncommits < m->tables.commits_size)
		return true;
	uint32_t size = m->tables.commits_size ? m->tables.commits_size * 2 : COMMITS_FIRST;
	struct commit *commits = size <= COMMITS_MOST ? realloc(m->tables.commits, size * sizeof *commits) : NULL;
	if (!commits)
		return false;
	m->tables.commits = commits;
	m->tables.commits_size = size;
	return true;
}

static void commit_queue(struct memory *m, unsigned space, uint64_t va, const uint64_t *entry, uint64_t value)
{
	if (!commit_room(m)) {
		m->tables.flush = true;
		return;
	}
	uint64_t at = (uint64_t)((const unsigned char *)entry - m->cell->memory);
	m->tables.commits[m->tables.ncommits++] = (struct commit){at, value, va | space};
}

void space_set(struct memory *m, unsigned space, uint64_t va, uint64_t *entry, uint64_t value)
{
	uint64_t old = *entry;
	*entry = value;
	if (!(old & PTE_P))
		return;
	commit_queue(m, space, va, entry, value);
	m->tables.generation = generation_next();
}

void tables_changed(struct tables *t)
{
	t->generation = t->epoch = generation_next();
}

int space_make(struct memory *m, frame_t *root)
{
	int r = table_alloc(m, root);
	if (!r && m->cell->link)
		((uint64_t *)cell_frame(m->cell, *root))[MONITOR_L4] = frame_gpa(m->cell->link).v |
								       PTE_TABLE_SUPERVISOR;
	return r;
}

/* What is given back is taken out of the table above it, so that the next piece does not meet it. */
static bool free_table(struct memory *m, frame_t table, int level, uint32_t *most)
{
	uint64_t *entries = cell_frame(m->cell, table);
	for (unsigned i = 0; level > 0 && i < ENTRIES; i++) {
		if (!(entries[i] & PTE_P) || (level == LEVELS - 1 && i == MONITOR_L4))
			continue;
		if (!free_table(m, entry_frame(entries[i]), level - 1, most))
			return false;
		entries[i] = 0;
	}
	if (!*most)
		return false;
	--*most;
	m->table_frames--;
	cell_tables_free(m->cell, &table, 1);
	return true;
}

bool space_free_some(struct memory *m, frame_t root, uint32_t *most)
{
	return free_table(m, root, LEVELS - 1, most);
}

static unsigned rights_of(uint64_t entry)
{
	unsigned rights = CASSIN_READ;
	if (entry & (PTE_W | PTE_COW))
		rights |= CASSIN_WRITE;
	if (!(entry & PTE_NX))
		rights |= CASSIN_EXEC;
	return rights;
}

struct mapping mapping_of(const struct memory *m, unsigned space, uint64_t va, const uint64_t *entry)
{
	uint64_t value = entry ? *entry : 0;
	if (value & PTE_MAPPED && !(value & PTE_P))
		return (struct mapping){true, rights_of(value), (value & PTE_FRAME) >> PAGE_SHIFT, false};
	const struct region *r = space == 0 ? region_at(m, va) : NULL;
	if (value & PTE_P)
		return (struct mapping){true, rights_of(value), 0,
					r && r->what && (value & PTE_FRAME) == frame_gpa(region_frame(m, r)).v};
	if (value & PTE_HOLE || !r)
		return (struct mapping){0};
	return (struct mapping){true, r->rights, r->first + ((va - r->va) >> PAGE_SHIFT), r->what};
}

uint64_t memory_mapped_value(uint64_t page, uint64_t rights)
{
	return page << PAGE_SHIFT | PTE_MAPPED | (rights & CASSIN_WRITE ? PTE_W : 0) |
	       (rights & CASSIN_EXEC ? 0 : PTE_NX);
}

bool memory_has_spaces(const struct memory *m)
{
	for (unsigned s = 1; s < SPACES_MAX; s++) {
		if (tables_root(&m->tables, s))
			return true;
	}
	return false;
}
