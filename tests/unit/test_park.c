/* SPDX-License-Identifier: MIT */
/* Memory that is parked in steps: how many there are, what each does, and what comes in between. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elf_builder.h"
#include "fake_cell.h"
#include "cell/cell.h"
#include "base/hidden.h"
#include "memory/freeze.h"
#include "memory/park.h"

#define QUOTA 4096u
#define PARK_STEP_PAGES 64u /* of a piece, in park_pieces.c */
#define SMALL (4 * PARK_STEP_PAGES)

/* The linker puts them in place of malloc and hidden_alloc: the largest block since the last look. */
extern void *__real_malloc(size_t size);
extern void *__real_hidden_alloc(size_t size, bool lasting);
void *__wrap_malloc(size_t size);
void *__wrap_hidden_alloc(size_t size, bool lasting);

static size_t largest;

void *__wrap_malloc(size_t size)
{
	if (size > largest)
		largest = size;
	return __real_malloc(size);
}

void *__wrap_hidden_alloc(size_t size, bool lasting)
{
	if (size > largest)
		largest = size;
	return __real_hidden_alloc(size, lasting);
}

static struct fake_cell *cell;
static struct memory m;
static struct memory_layout at;

static void begin(void)
{
	cell = fake_guest_new(QUOTA * 3, &m, QUOTA, &at);
}

static void end(void)
{
	cr_assert_eq(fake_guest_free(cell, &m), 0u);
}

TestSuite(park, .init = begin, .fini = end);

/* Bytes that do not compress, other ones for each page and round. */
static void fill_page(uint64_t page, uint64_t round, uint64_t *words)
{
	uint64_t x = page * 1000003 + round * 7919 + 1;
	for (size_t i = 0; i < PAGE_SIZE / sizeof *words; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		words[i] = x;
	}
}

static void write_pages(uint64_t n, uint64_t round)
{
	uint64_t words[PAGE_SIZE / sizeof(uint64_t)];
	for (uint64_t p = 0; p < n; p++) {
		fill_page(p, round, words);
		cr_assert_eq(memory_copyout(&m, gva(at.heap + p * PAGE_SIZE), words, sizeof words), 0);
	}
}

static void expect_pages(uint64_t n, uint64_t round)
{
	uint64_t words[PAGE_SIZE / sizeof(uint64_t)], got[PAGE_SIZE / sizeof(uint64_t)];
	for (uint64_t p = 0; p < n; p++) {
		fill_page(p, round, words);
		cr_assert_eq(memory_copyin(&m, got, gva(at.heap + p * PAGE_SIZE), sizeof got), 0);
		cr_assert_arr_eq(got, words, sizeof words);
	}
}

/* Gives the number of steps. */
static uint64_t park_in_steps(void)
{
	uint64_t n = 1;
	int r;
	m.tables.ncommits = m.tables.committed = 0; /* the monitor has run */
	m.tables.flush = false;
	cr_assert_eq(memory_park_begin(&m, NULL), 0);
	for (; (r = memory_park_go_on(&m)) == 1; n++)
		;
	cr_assert_eq(r, 0);
	cr_assert(m.parked.active);
	cr_assert_eq(m.used, 0u);
	return n;
}

/* In pages by number, of which there are some more than have a frame. */
Test(park, a_piece_is_of_a_bounded_number_of_pages)
{
	write_pages(SMALL, 0);
	uint64_t few = park_in_steps();
	cr_assert_geq(few, SMALL / PARK_STEP_PAGES);
	expect_pages(SMALL, 0);
	write_pages(4 * SMALL, 1);
	uint64_t many = park_in_steps();
	cr_assert_geq(many, 4 * SMALL / PARK_STEP_PAGES);
	cr_assert_leq(many, 4 * few);
	expect_pages(4 * SMALL, 1);
}

Test(park, what_is_written_between_two_pieces_is_kept)
{
	write_pages(SMALL, 0);
	for (uint64_t before = 1; before < 9; before++) {
		m.tables.ncommits = 0; /* the monitor has run */
		cr_assert_eq(memory_park_begin(&m, NULL), 0);
		for (uint64_t i = 0; i < before; i++)
			cr_assert_geq(memory_park_go_on(&m), 0);
		write_pages(SMALL, before);
		cr_assert_null(m.parking);
		expect_pages(SMALL, before);
	}
}

static uint64_t wake_in_steps(void)
{
	uint64_t n = 1;
	int r;
	cr_assert(memory_sleeps(&m));
	cr_assert_eq(memory_unpark_begin(&m), 0);
	for (; (r = memory_unpark_go_on(&m)) == 1; n++)
		cr_assert(memory_sleeps(&m));
	cr_assert_eq(r, 0);
	cr_assert_not(m.parked.active);
	return n;
}

Test(park, waking_is_in_pieces_of_a_bounded_number_of_pages)
{
	write_pages(SMALL, 0);
	park_in_steps();
	uint64_t before = m.used, most = 0;
	cr_assert_eq(memory_unpark_begin(&m), 0);
	for (int r = 1; r; before = m.used) {
		r = memory_unpark_go_on(&m);
		cr_assert_geq(r, 0);
		most = m.used - before > most ? m.used - before : most;
	}
	cr_assert_leq(most, PARK_STEP_PAGES + 16, "and those that growth runs ahead of");
	expect_pages(SMALL, 0);
	write_pages(4 * SMALL, 1);
	park_in_steps();
	uint64_t many = wake_in_steps();
	cr_assert_geq(many, 4 * SMALL / PARK_STEP_PAGES);
	cr_assert_leq(many, 4 * SMALL / PARK_STEP_PAGES + 16);
	expect_pages(4 * SMALL, 1);
}

/* Mappings elsewhere than the initial ones, too: by bounded numbers. */
Test(park, mappings_are_made_anew_in_pieces)
{
	const uint64_t far = UINT64_C(0x7000000000), n = 2048;
	write_pages(SMALL, 0);
	cr_assert_eq(memory_map(&m, 0, gva(far), at.heap_page, n, CASSIN_READ), 0);
	park_in_steps();
	uint64_t steps = wake_in_steps(), word, want;
	cr_assert_geq(steps, n / AT_ONCE_MAPPINGS);
	cr_assert_eq(memory_copyin(&m, &word, gva(far + 3 * PAGE_SIZE), sizeof word), 0);
	cr_assert_eq(memory_copyin(&m, &want, gva(at.heap + 3 * PAGE_SIZE), sizeof want), 0);
	cr_assert_eq(word, want);
}

Test(park, a_use_between_two_pieces_has_the_rest_done)
{
	for (unsigned before = 0; before < 9; before++) {
		write_pages(SMALL, before);
		park_in_steps();
		cr_assert_eq(memory_unpark_begin(&m), 0);
		for (unsigned i = 0; i < before; i++)
			cr_assert_geq(memory_unpark_go_on(&m), 0);
		expect_pages(SMALL, before);
		cr_assert_null(m.waking);
		cr_assert_not(m.parked.active);
	}
}

Test(park, waking_that_is_given_up_begins_anew)
{
	write_pages(SMALL, 0);
	park_in_steps();
	for (unsigned before = 0; before < 9; before++) {
		cr_assert_eq(memory_unpark_begin(&m), 0);
		cr_assert_eq(memory_park(&m, NULL), -EBUSY);
		cr_assert_eq(memory_park_begin(&m, NULL), -EBUSY);
		for (unsigned i = 0; i < before; i++)
			cr_assert_eq(memory_unpark_go_on(&m), 1);
		memory_unpark_give_up(&m);
		cr_assert(memory_sleeps(&m), "also with what it has of frames");
	}
	expect_pages(SMALL, 0);
}

Test(park, no_memory_in_the_middle_of_waking_leaves_it_parked)
{
	write_pages(SMALL, 0);
	park_in_steps();
	uint64_t limit = cell->pool.limit;
	cell->pool.limit = atomic_load(&cell->pool.used) + SMALL / 2;
	cr_assert_eq(memory_unpark_begin(&m), 0);
	int r = 1;
	while (r == 1)
		r = memory_unpark_go_on(&m);
	cr_assert_eq(r, -ENOMEM);
	cr_assert(m.parked.active);
	cr_assert_eq(memory_unpark(&m), -ENOMEM);
	cr_assert_eq(m.used, 0u, "an attempt at once gives back what it took");
	cell->pool.limit = limit;
	expect_pages(SMALL, 0);
}

/* Its end: frames, tables and parked bytes, each piece of a bounded number. */
Test(park, the_memory_of_a_guest_that_ends_goes_back_in_pieces)
{
	const uint64_t far = UINT64_C(0x7000000000), spread = UINT64_C(2) << 20;
	write_pages(QUOTA / 2, 0);
	for (uint64_t i = 0; i < 64; i++) /* a page table each */
		cr_assert_eq(memory_map(&m, 0, gva(far + i * spread), at.heap_page + i, 1, CASSIN_READ), 0);
	struct cell_image *shared = m.image;
	uint64_t pieces = 0, before = frames_used(&cell->cell.frames), most = 0, used;
	for (bool more = true; more; pieces++, before = used) {
		more = memory_destroy_some(&m);
		used = frames_used(&cell->cell.frames);
		most = before - used > most ? before - used : most;
	}
	cr_assert_geq(pieces, QUOTA / 2 / 1024 + 64 / 16);
	cr_assert_leq(most, 16 * CHUNK_PAGES + 16);
	m.image = shared;
	m.cell = &cell->cell;
}

Test(park, parked_bytes_are_cleared_in_pieces)
{
	write_pages(QUOTA / 2, 0);
	park_in_steps();
	size_t size = parked_size(&m.parked), wiped = 0;
	for (unsigned pieces = 1; parked_wipe_some(&m.parked, &wiped); pieces++)
		cr_assert_eq(wiped, pieces * HIDDEN_PIECE);
	cr_assert_eq(wiped, size);
	for (size_t i = 0; i < size; i++)
		cr_assert_eq(m.parked.bytes[i], 0);
}

/* What a template holds, whichever way it was taken out. */
Test(park, a_template_is_taken_out_in_pieces)
{
	const uint64_t far = UINT64_C(0x7000000000);
	struct frozen whole = {0}, pieces = {0};
	struct freezing f;
	write_pages(SMALL * 2, 0);
	cr_assert_eq(memory_map(&m, 0, gva(far), at.heap_page, SMALL, CASSIN_READ), 0);
	uint64_t word;
	for (uint64_t i = 0; i < SMALL; i++) /* shown: it is to be found whose frames they are */
		cr_assert_eq(memory_copyin(&m, &word, gva(far + i * PAGE_SIZE), sizeof word), 0);
	cr_assert_eq(memory_freeze(&m, &whole), 0);
	cr_assert_eq(memory_freeze_begin(&m, &f, &pieces), 0);
	uint64_t n = 0, before = 0, most = 0;
	int r = 1;
	for (; r == 1; n++, before = pieces.npages) {
		r = memory_freeze_go_on(&m, &f, &pieces);
		most = pieces.npages - before > most ? pieces.npages - before : most;
	}
	memory_freeze_end(&f);
	cr_assert_eq(r, 0);
	cr_assert_leq(most, 64u);
	cr_assert_geq(n, SMALL * 2 / 64);
	cr_assert_eq(pieces.npages, whole.npages);
	cr_assert_eq(pieces.nentries, whole.nentries);
	cr_assert_geq(whole.nentries, SMALL);
	cr_assert_arr_eq(pieces.page, whole.page, whole.npages * sizeof *whole.page);
	cr_assert_arr_eq(pieces.content, whole.content, whole.npages * PAGE_SIZE);
	cr_assert_arr_eq(pieces.entries, whole.entries, whole.nentries * sizeof *whole.entries);
	frozen_clear(&whole);
	frozen_clear(&pieces);
}

static int freeze(struct memory *of, struct frozen *out)
{
	m.tables.ncommits = m.tables.committed = 0; /* the monitor has run */
	m.tables.flush = false;
	return memory_freeze(of, out);
}

/* A clone of what has pages that do not compress, of which it has written a word each. */
static void clone_and_write(struct memory *clone, struct frozen *frozen, uint64_t n)
{
	struct cell_image *image = cell_image_get(&cell->cell, m.image->image, frozen);
	cr_assert_eq(memory_init(clone, &cell->cell, image, QUOTA, NULL), 0);
	for (uint64_t p = 0; p < n; p++)
		cr_assert_eq(memory_copyout(clone, gva(at.heap + p * PAGE_SIZE + 8 * p), &p, sizeof p), 0);
	clone->tables.ncommits = clone->tables.committed = 0;
	clone->tables.flush = false;
}

static void expect_clone(struct memory *clone, uint64_t n)
{
	uint64_t words[PAGE_SIZE / sizeof(uint64_t)], got[PAGE_SIZE / sizeof(uint64_t)];
	for (uint64_t p = 0; p < n; p++) {
		fill_page(p, 0, words);
		words[p] = p;
		cr_assert_eq(memory_copyin(clone, got, gva(at.heap + p * PAGE_SIZE), sizeof got), 0);
		cr_assert_arr_eq(got, words, sizeof words);
	}
}

Test(park, what_a_clone_did_not_write_of_its_pages_takes_next_to_nothing)
{
	const uint64_t n = 100;
	struct frozen *frozen = frozen_new();
	struct memory clone;
	write_pages(n, 0);
	cr_assert_eq(freeze(&m, frozen), 0);
	clone_and_write(&clone, frozen, n);
	cr_assert_eq(memory_park(&clone, NULL), 0);
	cr_assert_eq(clone.parked.npages, n);
	cr_assert_lt(parked_size(&clone.parked), n * 64);
	expect_clone(&clone, n);
	clone.tables.ncommits = 0;
	cr_assert_eq(memory_park_begin(&clone, NULL), 0);
	while (memory_park_go_on(&clone) == 1)
		;
	cr_assert_lt(parked_size(&clone.parked), n * 64);
	expect_clone(&clone, n);
	struct cell_image *image = clone.image;
	memory_destroy(&clone);
	cell_image_put(&cell->cell, image);
	frozen_put(frozen);
}

Test(park, a_clone_begins_in_pieces)
{
	const uint64_t far = UINT64_C(0x7000000000), n = 2048;
	struct frozen *frozen = frozen_new();
	struct memory clone;
	write_pages(SMALL, 0);
	cr_assert_eq(memory_map(&m, 0, gva(far), at.heap_page, n, CASSIN_READ), 0);
	cr_assert_eq(memory_freeze(&m, frozen), 0);
	struct image *image = fake_image();
	struct cell_image *ci = cell_image_get(&cell->cell, image, frozen);
	image_put(image);
	cr_assert_eq(memory_init_begin(&clone, &cell->cell, ci, QUOTA, NULL), 0);
	size_t mapped = 0, before = 0;
	uint64_t pieces = 0;
	int r = 1;
	for (; r == 1; pieces++, before = mapped) {
		r = memory_init_go_on(&clone, &mapped);
		cr_assert_leq(mapped - before, (size_t)AT_ONCE_MAPPINGS);
	}
	cr_assert_eq(r, 0);
	cr_assert_geq(pieces, n / AT_ONCE_MAPPINGS);
	uint64_t word, want;
	cr_assert_eq(memory_copyin(&clone, &word, gva(far + 3 * PAGE_SIZE), sizeof word), 0);
	cr_assert_eq(memory_copyin(&m, &want, gva(at.heap + 3 * PAGE_SIZE), sizeof want), 0);
	cr_assert_eq(word, want);
	memory_destroy(&clone);
	cell_image_put(&cell->cell, ci);
	frozen_put(frozen);
}

/* A copy of all content would be as large as the guest, and another one what its compression may need. */
Test(park, no_second_copy_of_the_guest_is_made)
{
	write_pages(QUOTA / 2, 0);
	largest = 0;
	park_in_steps();
	cr_assert_lt(largest, QUOTA / 2 * PAGE_SIZE / 8);
	largest = 0;
	cr_assert_eq(memory_unpark(&m), 0);
	cr_assert_lt(largest, QUOTA / 2 * PAGE_SIZE / 8);
	expect_pages(QUOTA / 2, 0);
}
