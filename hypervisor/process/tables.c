/* SPDX-License-Identifier: MIT */
#include "process/tables.h"

#include <sys/mman.h>

#include "cell/pagetable.h"

#define ENTRIES 512u
#define LEVELS 4
#define PAGES_APART 64u                             /* a run of this many is mapped in one piece, about */
#define POPULATE_MOST (UINT64_C(128) << PAGE_SHIFT) /* mapped at once; of longer runs pages come as they are touched */

static const uint64_t *table_of(const struct cell *c, uint64_t entry)
{
	return cell_frame(c, (frame_t)((entry & PTE_FRAME) >> PAGE_SHIFT));
}

/* The lowest table that has the entry of va; NULL: there is none. */
static const uint64_t *leaf_table(const struct cell *c, frame_t root, uint64_t va)
{
	const uint64_t *table = cell_frame(c, root);
	for (int level = LEVELS - 1; level > 0; level--) {
		uint64_t entry = table[(va >> (PAGE_SHIFT + 9 * level)) % ENTRIES];
		if (!(entry & PTE_P))
			return NULL;
		table = table_of(c, entry);
	}
	return table;
}

uint64_t tables_entry(const struct cell *c, frame_t root, uint64_t va)
{
	const uint64_t *table = va < CASSIN_VA_END ? leaf_table(c, root, va) : NULL;
	uint64_t entry = table ? table[(va >> PAGE_SHIFT) % ENTRIES] : 0;
	return entry & PTE_P ? entry : 0;
}

static uint64_t kind_of(uint64_t entry)
{
	if (!(entry & PTE_P))
		return STEP_UNMAP;
	return (uint64_t)PROT_READ | (entry & PTE_W ? PROT_WRITE : 0) | (entry & PTE_NX ? 0 : PROT_EXEC);
}

bool steps_page(struct steps *s, uint64_t va, uint64_t entry)
{
	uint64_t kind = kind_of(entry), offset = entry & PTE_P ? entry & PTE_FRAME : 0;
	struct map_step *last = s->n ? &s->list[s->n - 1] : NULL;
	if (last && last->kind == kind && last->va + last->bytes == va &&
	    (kind == STEP_UNMAP || last->offset + last->bytes == offset)) {
		last->bytes += PAGE_SIZE;
		return true;
	}
	if (s->n == PAGE_STEPS - 1) {
		s->full = true;
		return false;
	}
	s->list[s->n++] = (struct map_step){.va = va, .bytes = PAGE_SIZE, .offset = offset, .kind = kind};
	return true;
}

void steps_unmap_all(struct steps *s)
{
	s->list[s->n++] = (struct map_step){.bytes = CASSIN_VA_END, .kind = STEP_UNMAP};
	s->anew = true;
}

void steps_end(struct steps *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		if (s->list[i].kind != STEP_UNMAP && s->list[i].bytes <= POPULATE_MOST)
			s->list[i].kind |= STEP_POPULATE;
	}
	s->list[s->n] = (struct map_step){.kind = STEP_END};
}

void steps_run(struct steps *s, const struct cell *c, frame_t root, uint64_t va, unsigned most)
{
	const uint64_t *table = leaf_table(c, root, va);
	unsigned at = (va >> PAGE_SHIFT) % ENTRIES;
	for (unsigned i = 0; table && i < most && at + i < ENTRIES; i++) {
		if (!(table[at + i] & PTE_P) || !steps_page(s, va + (uint64_t)i * PAGE_SIZE, table[at + i]))
			return;
	}
}

/* Of one table of a level, whose first entry is of va. */
static void add_table(struct steps *s, const struct cell *c, const uint64_t *table, int level, uint64_t va)
{
	if (s->tables++ == STEPS_TABLES_MOST)
		s->full = true;
	for (unsigned i = 0; i < ENTRIES && !s->full; i++) {
		uint64_t at = va + ((uint64_t)i << (PAGE_SHIFT + 9 * level));
		if (!(table[i] & PTE_P))
			continue;
		if (level)
			add_table(s, c, table_of(c, table[i]), level - 1, at);
		else
			steps_page(s, at, table[i]);
	}
}

void steps_space(struct steps *s, const struct cell *c, frame_t root)
{
	uint64_t first = *(const uint64_t *)cell_frame(c,
						       root); /* guests' addresses are all in one entry of the root */
	if (first & PTE_P)
		add_table(s, c, table_of(c, first), LEVELS - 2, 0);
}

/* ---- Counting ---- */

struct count {
	unsigned runs, pages, tables; /* tables: that may still be looked at */
	uint64_t va, frame, kind;     /* what would go on with the last run */
};

static void count_page(struct count *n, uint64_t va, uint64_t entry)
{
	uint64_t kind = kind_of(entry), frame = entry & PTE_FRAME;
	n->runs += va != n->va || frame != n->frame || kind != n->kind;
	n->pages++;
	n->va = va + PAGE_SIZE;
	n->frame = frame + PAGE_SIZE;
	n->kind = kind;
}

static bool count_table(struct count *n, const struct cell *c, const uint64_t *table, int level, uint64_t va)
{
	if (!n->tables--)
		return false;
	for (unsigned i = 0; i < ENTRIES; i++) {
		uint64_t at = va + ((uint64_t)i << (PAGE_SHIFT + 9 * level));
		if (!(table[i] & PTE_P))
			continue;
		if (!level)
			count_page(n, at, table[i]);
		else if (!count_table(n, c, table_of(c, table[i]), level - 1, at))
			return false;
	}
	return true;
}

bool tables_runs(const struct cell *c, frame_t root, unsigned tables, unsigned *out)
{
	uint64_t first = *(const uint64_t *)cell_frame(c, root);
	struct count n = {.tables = tables, .va = 1};
	if (first & PTE_P && !count_table(&n, c, table_of(c, first), LEVELS - 2, 0))
		return false;
	*out = n.runs + n.pages / PAGES_APART;
	return true;
}
