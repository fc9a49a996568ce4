/* SPDX-License-Identifier: MIT */
/* A guest's page tables as the list of mappings that a process cell makes of them; against a model. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "cell/pagetable.h"
#include "fake_cell.h"
#include "process/tables.h"

#define PAGES 2048u /* of the model: four tables, the last ones of guests' addresses */
#define BASE (CASSIN_VA_END - PAGES * UINT64_C(4096))

static struct map_step list[PAGE_STEPS];

static struct steps begin(void)
{
	memset(list, 0xee, sizeof list);
	return (struct steps){.list = list};
}

static uint64_t entry(uint64_t frame, bool w, bool x)
{
	return frame << PAGE_SHIFT | PTE_P | PTE_U | (w ? PTE_W : 0) | (x ? 0 : PTE_NX);
}

Test(steps, neighbours_become_one_where_their_frames_are_neighbours_too)
{
	struct steps s = begin();
	cr_assert(steps_page(&s, 0x400000, entry(10, false, true)));
	cr_assert(steps_page(&s, 0x401000, entry(11, false, true)));
	cr_expect_eq(s.n, 1u);
	cr_assert(steps_page(&s, 0x402000, entry(13, false, true))); /* another frame */
	cr_assert(steps_page(&s, 0x403000, entry(14, true, false))); /* other rights */
	cr_assert(steps_page(&s, 0x405000, entry(15, true, false))); /* another place */
	cr_assert(steps_page(&s, 0x406000, 0));
	cr_assert(steps_page(&s, 0x407000, PTE_MAPPED | PTE_W)); /* not present: unmapped, too */
	steps_end(&s);
	const struct map_step want[] = {
		{0x400000, 8192, 10 << 12, PROT_READ | PROT_EXEC | STEP_POPULATE},
		{0x402000, 4096, 13 << 12, PROT_READ | PROT_EXEC | STEP_POPULATE},
		{0x403000, 4096, 14 << 12, PROT_READ | PROT_WRITE | STEP_POPULATE},
		{0x405000, 4096, 15 << 12, PROT_READ | PROT_WRITE | STEP_POPULATE},
		{0x406000, 8192, 0, STEP_UNMAP},
		{0, 0, 0, STEP_END},
	};
	cr_assert_eq(s.n, 5u);
	cr_expect_arr_eq(list, want, sizeof want);
}

Test(steps, bits_that_are_not_rights_are_not_looked_at)
{
	struct steps s = begin();
	cr_assert(steps_page(&s, 0x400000, entry(10, false, false) | PTE_COW | PTE_A | PTE_D));
	cr_expect_eq(list[0].kind, PROT_READ);
	cr_expect_eq(list[0].offset, 10u << 12);
}

Test(steps, a_full_list_says_so_and_has_room_for_its_end)
{
	struct steps s = begin();
	unsigned n = 0;
	while (steps_page(&s, 0x400000 + 8192 * (uint64_t)n, entry(n, false, false)))
		n++;
	cr_expect_eq(n, PAGE_STEPS - 1);
	cr_expect(s.full);
	/* What is the last one's neighbour still fits. */
	cr_expect(steps_page(&s, 0x400000 + 8192 * (uint64_t)(n - 1) + 4096, entry(n, false, false)));
	steps_end(&s);
	cr_expect_eq(list[PAGE_STEPS - 1].kind, STEP_END);
}

Test(steps, a_long_run_is_not_populated)
{
	struct steps s = begin();
	for (uint64_t i = 0; i < 129; i++)
		cr_assert(steps_page(&s, 0x400000 + i * 4096, entry(100 + i, false, false)));
	cr_assert(steps_page(&s, 0x800000, entry(7, false, false)));
	steps_end(&s);
	cr_assert_eq(s.n, 2u);
	cr_expect_eq(list[0].kind, PROT_READ);
	cr_expect_eq(list[1].kind, PROT_READ | STEP_POPULATE);
}

Test(steps, everything_is_unmapped_up_to_the_end_of_guests)
{
	struct steps s = begin();
	steps_unmap_all(&s);
	cr_expect_eq(list[0].va, 0u);
	cr_expect_eq(list[0].bytes, CASSIN_VA_END);
	cr_expect_eq(list[0].kind, STEP_UNMAP);
}

/* ---- Tables in a cell ---- */

static uint64_t *table_under(struct fake_cell *f, uint64_t *e)
{
	frame_t at;
	if (!(*e & PTE_P)) {
		cr_assert_eq(cell_frame_zero(&f->cell, &at), 0);
		*e = frame_gpa(at).v | PTE_TABLE;
	}
	return cell_frame(&f->cell, (frame_t)((*e & PTE_FRAME) >> PAGE_SHIFT));
}

static uint64_t *leaf(struct fake_cell *f, frame_t root, uint64_t va)
{
	uint64_t *table = cell_frame(&f->cell, root);
	for (unsigned shift = 39; shift > 12; shift -= 9)
		table = table_under(f, &table[(va >> shift) % 512]);
	return &table[(va >> PAGE_SHIFT) % 512];
}

/* Does the steps of a list to a model of a process: what each of its pages shows. */
static void apply(uint64_t *shown, const struct steps *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		const struct map_step *m = &list[i];
		for (uint64_t at = 0; at < m->bytes; at += 4096) {
			uint64_t page = (m->va + at - BASE) / 4096;
			cr_assert_lt(page, PAGES);
			shown[page] = m->kind == STEP_UNMAP ? 0 : (m->offset + at) | (m->kind & 7);
		}
	}
}

static uint64_t wanted(uint64_t e)
{
	return !(e & PTE_P) ? 0
			    : (e & PTE_FRAME) | PROT_READ | (e & PTE_W ? PROT_WRITE : 0) | (e & PTE_NX ? 0 : PROT_EXEC);
}

Test(steps, a_process_that_follows_the_lists_shows_what_the_tables_say)
{
	static uint64_t shown[PAGES];
	struct fake_cell *f = fake_cell_new(256);
	frame_t root;
	cr_assert_eq(cell_frame_zero(&f->cell, &root), 0);
	srand(7);
	for (unsigned round = 0; round < 60; round++) {
		unsigned from = (unsigned)rand() % PAGES, frame = 1000 + (unsigned)rand() % 1000,
			 what = (unsigned)rand() % 4;
		for (unsigned i = from; i < PAGES && i < from + (unsigned)rand() % 300; i++)
			*leaf(f, root, BASE + i * UINT64_C(4096)) = what ? entry(frame + i, what == 1, what == 2) : 0;
		/* Each page that is not as it should be is mapped with those behind it, or unmapped, as faults and changes would. */
		for (unsigned i = 0; i < PAGES; i++) {
			uint64_t va = BASE + i * UINT64_C(4096), e = tables_entry(&f->cell, root, va);
			if (wanted(e) == shown[i])
				continue;
			struct steps s = begin();
			if (e)
				steps_run(&s, &f->cell, root, va, 128);
			else
				cr_assert(steps_page(&s, va, e));
			cr_assert_gt(s.n, 0u);
			cr_assert_leq(s.n, PAGE_STEPS - 1);
			apply(shown, &s);
			cr_assert_eq(shown[i], wanted(e), "page %u in round %u", i, round);
		}
		for (unsigned i = 0; i < PAGES; i++)
			cr_assert_eq(shown[i], wanted(tables_entry(&f->cell, root, BASE + i * UINT64_C(4096))),
				     "page %u", i);
	}
	cr_expect_eq(tables_entry(&f->cell, root, CASSIN_VA_END), 0u);
	cr_expect_eq(tables_entry(&f->cell, root, UINT64_MAX), 0u);
	fake_cell_free(f);
}

Test(steps, a_space_is_listed_as_far_as_it_fits)
{
	struct fake_cell *f = fake_cell_new(256);
	frame_t root;
	static uint64_t shown[PAGES];
	cr_assert_eq(cell_frame_zero(&f->cell, &root), 0);
	struct steps s = begin();
	steps_space(&s, &f->cell, root);
	cr_expect_eq(s.n, 0u); /* not even a table */
	for (unsigned i = 0; i < 62; i++)
		*leaf(f, root, BASE + i * UINT64_C(8192)) = entry(i + 1, false, false);
	s = begin();
	steps_space(&s, &f->cell, root);
	cr_expect_eq(s.n, 62u);
	cr_expect_not(s.full);
	apply(shown, &s);
	for (unsigned i = 0; i < 62; i++)
		cr_expect_eq(shown[2 * i], (uint64_t)(i + 1) << 12 | PROT_READ);
	for (unsigned i = 0; i < PAGES / 2; i++)
		*leaf(f, root, BASE + i * UINT64_C(8192)) = entry(i + 1, false, false);
	s = begin();
	steps_space(&s, &f->cell, root);
	cr_expect_eq(s.n, PAGE_STEPS - 1);
	cr_expect(s.full);
	fake_cell_free(f);
}

/* A guest can have thousands of tables that show nothing, and the worker waits for whoever walks them. */
Test(steps, no_more_than_so_many_tables_of_a_space_are_looked_at)
{
	struct fake_cell *f = fake_cell_new(512);
	frame_t root;
	cr_assert_eq(cell_frame_zero(&f->cell, &root), 0);
	for (unsigned tables = 8; tables <= 256; tables += 8) {
		uint64_t va = UINT64_C(0x400000) + tables * (UINT64_C(512) << PAGE_SHIFT);
		for (unsigned i = 0; i < tables; i++)
			*leaf(f, root, UINT64_C(0x400000) + i * (UINT64_C(512) << PAGE_SHIFT)) = PTE_MAPPED;
		*leaf(f, root, va) = entry(9, false, false);
		struct steps s = begin();
		steps_space(&s, &f->cell, root);
		cr_expect_eq(s.n, tables < STEPS_TABLES_MOST - 4 ? 1u : 0u, "%u tables", tables);
		*leaf(f, root, va) = PTE_MAPPED;
	}
	fake_cell_free(f);
}

Test(steps, runs_of_a_space_are_counted_unless_it_has_too_many_tables)
{
	struct fake_cell *f = fake_cell_new(256);
	frame_t root;
	unsigned runs;
	cr_assert_eq(cell_frame_zero(&f->cell, &root), 0);
	cr_assert(tables_runs(&f->cell, root, 0, &runs));
	cr_expect_eq(runs, 0u);
	for (unsigned i = 0; i < 10; i++)
		*leaf(f, root, BASE + i * UINT64_C(4096)) = entry(20 + i, false, false);
	for (unsigned i = 10; i < 15; i++) /* behind each other, in the same frame */
		*leaf(f, root, BASE + i * UINT64_C(4096)) = entry(7, false, false);
	*leaf(f, root, BASE + 15 * UINT64_C(4096)) = entry(8, true, false);
	*leaf(f, root, BASE + 1000 * UINT64_C(4096)) = entry(9, true, false);
	cr_assert(tables_runs(&f->cell, root, 4, &runs));
	cr_expect_eq(runs, 1u + 5 + 1 + 1);
	cr_expect_not(tables_runs(&f->cell, root, 3, &runs));
	fake_cell_free(f);
}
