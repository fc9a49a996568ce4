/* SPDX-License-Identifier: MIT */
/* The paging calls: their errors one by one, and all of them at random against a model. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "elf_builder.h"
#include "fake_cell.h"
#include "paging_model.h"
#include "cell/pagetable.h"
#include "cell/cell.h"

#define QUOTA 256u
#define FREE gva(0x100000)
#define RW (CASSIN_READ | CASSIN_WRITE)

static struct fake_cell *cell;
static struct memory m;
static struct memory_layout at;

static void begin(void)
{
	cell = fake_guest_new(2000, &m, QUOTA, &at);
}

static void end(void)
{
	cr_assert_eq(fake_guest_free(cell, &m), 0u);
}

TestSuite(paging, .init = begin, .fini = end);

Test(paging, one_page_may_be_seen_at_two_addresses)
{
	uint64_t word = 42, got = 0, used = m.used;
	cr_assert_eq(memory_map(&m, 0, FREE, at.heap_page + 3, 1, RW), 0);
	cr_assert_eq(memory_copyout(&m, FREE, &word, sizeof word), 0);
	cr_assert_eq(memory_copyin(&m, &got, gva(at.heap + 3 * PAGE_SIZE), sizeof got), 0);
	cr_assert_eq(got, 42u);
	cr_assert_eq(m.used, used + 1);
}

Test(paging, only_the_guests_own_pages_can_be_mapped)
{
	cr_assert_eq(memory_map(&m, 0, FREE, QUOTA, 1, RW), -EINVAL);
	cr_assert_eq(memory_map(&m, 0, FREE, QUOTA - 1, 2, RW), -EINVAL);
	cr_assert_eq(memory_map(&m, 0, FREE, UINT64_MAX, 1, RW), -EINVAL);
	cr_assert_eq(memory_map(&m, 0, FREE, UINT64_MAX, 2, RW), -EINVAL);
	cr_assert_eq(memory_map(&m, 0, FREE, QUOTA - 1, 1, RW), 0);
}

Test(paging, addresses_must_be_whole_pages_in_range)
{
	const uint64_t bad[] = {0,
				CASSIN_VA_MIN - PAGE_SIZE,
				CASSIN_VA_MIN + 1,
				CASSIN_VA_END,
				CASSIN_VA_END,
				CASSIN_VA_END - PAGE_SIZE,
				UINT64_C(0xffff800000000000),
				UINT64_MAX & ~UINT64_C(0xfff)};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		cr_assert_eq(memory_map(&m, 0, gva(bad[i]), at.heap_page, 2, RW), -EINVAL, "case %u", i);
		cr_assert_eq(memory_unmap(&m, 0, gva(bad[i]), 2), -EINVAL, "case %u", i);
		cr_assert_eq(memory_protect(&m, 0, gva(bad[i]), 2, CASSIN_READ), -EINVAL, "case %u", i);
	}
	cr_assert_eq(memory_map(&m, 0, gva(CASSIN_VA_END - PAGE_SIZE), at.heap_page, 1, RW), 0);
}

Test(paging, counts_are_bounded)
{
	const uint64_t bad[] = {0, MAP_PAGES_MAX + 1, UINT64_C(1) << 32, UINT64_C(1) << 52, UINT64_MAX};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		cr_assert_eq(memory_map(&m, 0, FREE, 0, bad[i], RW), -EINVAL);
		cr_assert_eq(memory_unmap(&m, 0, FREE, bad[i]), -EINVAL);
		cr_assert_eq(memory_protect(&m, 0, FREE, bad[i], RW), -EINVAL);
	}
}

Test(paging, rights_that_make_no_sense_are_refused)
{
	const uint64_t bad[] = {0,
				CASSIN_WRITE,
				CASSIN_EXEC,
				CASSIN_WRITE | CASSIN_EXEC,
				RW | CASSIN_EXEC,
				8 | RW,
				UINT64_C(1) << 32 | CASSIN_READ,
				UINT64_MAX};
	cr_assert_eq(memory_map(&m, 0, FREE, at.heap_page, 1, RW), 0);
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		cr_assert_eq(memory_map(&m, 0, gva(0x200000), at.heap_page, 1, bad[i]), -EINVAL, "case %u", i);
		cr_assert_eq(memory_protect(&m, 0, FREE, 1, bad[i]), -EINVAL, "case %u", i);
	}
}

Test(paging, nothing_changes_on_failure)
{
	cr_assert_eq(memory_map(&m, 0, gva(FREE.v + 2 * PAGE_SIZE), at.heap_page, 1, RW), 0);
	cr_assert_eq(memory_map(&m, 0, FREE, at.heap_page, 4, RW), -EEXIST);
	cr_assert_eq(memory_check_for(&m, FREE, 1, CASSIN_READ), -EFAULT);
	cr_assert_eq(memory_map(&m, 0, FREE, at.heap_page, 1, RW), 0);
	cr_assert_eq(memory_unmap(&m, 0, FREE, 3), -ENOENT);
	cr_assert_eq(memory_protect(&m, 0, FREE, 3, CASSIN_READ), -ENOENT);
	cr_assert_eq(memory_check_for(&m, FREE, 1, CASSIN_WRITE), 0);
}

Test(paging, the_hypervisors_pages_keep_their_rights)
{
	cr_assert_eq(memory_protect(&m, 0, gva(at.clock_page), 1, RW), -EINVAL);
	cr_assert_eq(memory_protect(&m, 0, gva(at.info_page), 1, RW), -EINVAL);
	cr_assert_eq(memory_map(&m, 0, gva(at.info_page), at.heap_page, 1, RW), -EEXIST);
	cr_assert_eq(memory_unmap(&m, 0, gva(at.clock_page), 2), 0);
	cr_assert_eq(memory_map(&m, 0, gva(at.clock_page), at.heap_page, 1, RW), 0);
	uint64_t word = 1;
	cr_assert_eq(memory_copyout(&m, gva(at.clock_page), &word, sizeof word), 0);
	cr_assert_eq(*(uint64_t *)cell_frame(&cell->cell, cell->clock), 0u);
}

Test(paging, a_live_change_is_queued_for_the_monitor_a_new_mapping_is_not)
{
	frame_t f;
	uint64_t before = m.tables.generation;
	cr_assert_eq(memory_map(&m, 0, FREE, at.heap_page, 1, RW), 0);
	cr_assert_eq(memory_touch(&m, 0, FREE.v, CASSIN_WRITE, &f), 0);
	cr_assert_eq(m.tables.ncommits, 0u);
	cr_assert_eq(m.tables.generation, before);
	cr_assert_eq(memory_protect(&m, 0, FREE, 1, CASSIN_READ), 0);
	cr_assert_eq(m.tables.ncommits, 1u);
	cr_assert_gt(m.tables.generation, before);
	before = m.tables.generation;
	cr_assert_eq(memory_unmap(&m, 0, FREE, 1), 0);
	cr_assert_eq(m.tables.ncommits, 2u);
	cr_assert_eq(m.tables.commits[1].value & PTE_P, 0u);
	cr_assert_gt(m.tables.generation, before);
}

Test(paging, as_many_changes_as_a_call_can_make_are_queued)
{
	const uint64_t pages = QUOTA - at.heap_page;
	frame_t f;
	for (uint64_t i = 0; i < pages; i++)
		cr_assert_eq(memory_touch(&m, 0, at.heap + i * PAGE_SIZE, CASSIN_WRITE, &f), 0);
	cr_assert_eq(memory_protect(&m, 0, gva(at.heap), pages, CASSIN_READ), 0);
	cr_assert_eq(m.tables.ncommits, pages);
	cr_assert_not(m.tables.flush);
}

Test(paging, changes_beyond_all_bounds_become_a_flush)
{
	const uint64_t pages = QUOTA - at.heap_page;
	frame_t f;
	for (uint64_t i = 0; i < pages; i++)
		cr_assert_eq(memory_touch(&m, 0, at.heap + i * PAGE_SIZE, CASSIN_WRITE, &f), 0);
	for (uint64_t changed = 0; changed <= COMMITS_MOST; changed += pages)
		cr_assert_eq(memory_protect(&m, 0, gva(at.heap), pages, changed / pages % 2 ? RW : CASSIN_READ), 0);
	cr_assert(m.tables.flush);
	cr_assert_leq(m.tables.ncommits, COMMITS_MOST);
}

Test(paging, spaces_are_separate)
{
	uint64_t word;
	frame_t f;
	cr_assert_null(m.tables.more, "a guest of one space has no table of others");
	cr_assert_eq(memory_space_create(&m), 1);
	cr_assert_eq(memory_space_create(&m), 2);
	cr_assert_eq(memory_map(&m, 1, FREE, at.heap_page, 1, RW), 0);
	cr_assert_eq(memory_touch(&m, 1, FREE.v, CASSIN_WRITE, &f), 0);
	cr_assert_eq(memory_touch(&m, 2, FREE.v, CASSIN_READ, &f), -EFAULT);
	cr_assert_eq(memory_touch(&m, 1, at.heap, CASSIN_READ, &f), -EFAULT, "space 0's regions are its own");
	cr_assert_eq(memory_copyin(&m, &word, FREE, sizeof word), -EFAULT);
}

Test(paging, spaces_are_bounded_and_numbers_are_used_again)
{
	cr_assert_eq(memory_space_destroy(&m, 0), -EBUSY);
	cr_assert_eq(memory_space_destroy(&m, 1), -EINVAL);
	cr_assert_eq(memory_space_destroy(&m, SPACES_MAX), -EINVAL);
	for (int i = 1; i < SPACES_MAX; i++)
		cr_assert_eq(memory_space_create(&m), i);
	cr_assert_eq(memory_space_create(&m), -EMFILE);
	cr_assert_eq(memory_space_destroy(&m, 5), 0);
	cr_assert_eq(memory_map(&m, 5, FREE, 0, 1, CASSIN_READ), -EINVAL);
	cr_assert_eq(memory_space_create(&m), 5);
}

/* A space with this many leaf tables, each under a table of its own. */
static void make_large(unsigned leaves)
{
	cr_assert_eq(memory_space_create(&m), 1);
	for (unsigned i = 1; i <= leaves; i++)
		cr_assert_eq(memory_map(&m, 1, gva((uint64_t)i << 30), at.heap_page, 1, RW), 0);
}

Test(paging, a_space_is_destroyed_in_bounded_pieces)
{
	uint64_t others = m.table_frames, pieces = 0;
	make_large(25);
	for (int more = 1; more; pieces++) {
		uint64_t before = m.table_frames;
		more = memory_space_destroy(&m, 1);
		cr_assert(more == 0 || more == 1);
		cr_assert_leq(before - m.table_frames, 16u);
		if (more && !pieces) {
			cr_assert_eq(memory_space_create(&m), 2, "its number is taken until it is gone");
			others++;
		}
	}
	cr_assert_geq(pieces, 4u);
	cr_assert_eq(m.table_frames, others);
	cr_assert_eq(memory_space_create(&m), 1);
	cr_assert_eq(memory_map(&m, 1, gva(UINT64_C(1) << 30), at.heap_page, 1, RW), 0, "nothing is left in it");
}

Test(paging, a_guest_may_end_while_it_destroys_a_space)
{
	make_large(25);
	cr_assert_eq(memory_space_destroy(&m, 1), 1);
}

Test(paging, page_tables_are_bounded_by_the_quota)
{
	int r = 0;
	uint64_t n = 0;
	for (uint64_t va = UINT64_C(1) << 30; !r && va < CASSIN_VA_END; va += UINT64_C(1) << 30, n++)
		r = memory_map(&m, 0, gva(va), at.heap_page, 1, RW);
	cr_assert_eq(r, -ENOMEM);
	cr_assert_leq(m.table_frames, QUOTA / 64 + 64);
	cr_assert_eq(memory_copyout(&m, gva(at.heap), "x", 1), 0, "the guest goes on");
}

static uint8_t random_choice(void *opaque)
{
	uint32_t *x = opaque;
	*x = *x * 1664525 + 1013904223;
	return (uint8_t)(*x >> 24);
}

Test(paging, random_calls_and_accesses_agree_with_the_model)
{
	for (uint32_t seed = 1; seed <= 20; seed++) {
		uint32_t x = seed;
		struct paging_model *p = paging_model_new(random_choice, &x);
		for (unsigned i = 0; i < 5000; i++)
			paging_model_step(p);
		paging_model_free(p);
	}
}
