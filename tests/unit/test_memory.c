/* SPDX-License-Identifier: MIT */
/* A guest's memory: what it starts with, what it may touch, and what it leaves behind. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "elf_builder.h"
#include "fake_cell.h"
#include "cell/pagetable.h"
#include "memory/space.h"
#include "cell/cell.h"

#define QUOTA 256u
#define TEXT ELF_BASE
#define DATA (ELF_BASE + 0x2040)
#define BSS (ELF_BASE + 0x3000)
#define FAULT_READ PF_USER
#define FAULT_WRITE (PF_USER | PF_WRITE)
#define FAULT_EXEC (PF_USER | PF_FETCH)

struct world {
	struct fake_cell *cell;
	struct image *image;
};

/* A guest of it. */
struct box {
	struct cell_image *image;
	struct memory memory;
	struct memory_layout at;
};

static struct world world_new(uint64_t limit)
{
	return (struct world){fake_cell_new(limit), fake_image()};
}

static void world_free(struct world *w)
{
	fake_cell_free(w->cell);
	image_put(w->image);
}

static int try_begin(struct world *w, struct box *b, uint64_t quota)
{
	b->image = cell_image_get(&w->cell->cell, w->image, NULL);
	int r = memory_init(&b->memory, &w->cell->cell, b->image, quota, NULL);
	if (r)
		cell_image_put(&w->cell->cell, b->image);
	else
		b->at = *memory_layout(&b->memory);
	return r;
}

static void begin(struct world *w, struct box *b)
{
	cr_assert_eq(try_begin(w, b, QUOTA), 0);
}

static void end(struct world *w, struct box *b)
{
	memory_destroy(&b->memory);
	cell_image_put(&w->cell->cell, b->image);
}

static void expect_bytes(struct box *b, uint64_t va, const void *bytes, size_t n)
{
	char got[256];
	cr_assert_leq(n, sizeof got);
	cr_assert_eq(memory_copyin(&b->memory, got, gva(va), n), 0);
	cr_assert_arr_eq(got, bytes, n);
}

/* ---- The start ---- */

Test(memory, the_layout_has_guards_between_its_parts)
{
	struct world w = world_new(1000);
	struct box b;
	begin(&w, &b);
	const struct memory_layout *at = &b.at;
	const uint64_t guards[] = {at->stack_low - 1, at->stack_high,    at->info_page + PAGE_SIZE, at->heap - 1,
				   ELF_BASE - 1,      ELF_BASE + 0x1000, at->heap + at->heap_size};
	cr_assert_eq(at->stack_low, w.image->high + PAGE_SIZE);
	cr_assert_eq(at->stack_high - at->stack_low, STACK_PAGES * PAGE_SIZE);
	cr_assert_eq(at->heap % (8 * PAGE_SIZE), 0u);
	cr_assert_eq(at->heap_page, 4u + STACK_PAGES);
	cr_assert_eq(at->heap_size, (QUOTA - at->heap_page) * PAGE_SIZE);
	for (unsigned i = 0; i < sizeof guards / sizeof *guards; i++) {
		cr_assert_eq(memory_check_for(&b.memory, gva(guards[i]), 1, CASSIN_READ), -EFAULT, "guard %u", i);
		cr_assert_eq(memory_fault(&b.memory, 0, gva(guards[i]), FAULT_READ), -EFAULT);
	}
	cr_assert_eq(memory_check_for(&b.memory, gva(at->stack_low), at->stack_high - at->stack_low, CASSIN_WRITE), 0);
	cr_assert_eq(memory_check_for(&b.memory, gva(at->heap), at->heap_size, CASSIN_WRITE), 0);
	end(&w, &b);
	world_free(&w);
}

Test(memory, the_image_is_there_and_the_rest_is_zero)
{
	static const char zero[256];
	struct world w = world_new(1000);
	struct box b;
	begin(&w, &b);
	expect_bytes(&b, TEXT, "\xcc\xcc\xcc\xcc", 4);
	expect_bytes(&b, DATA, "\1\2\3\4", 4);
	expect_bytes(&b, DATA + ELF_DATA_SIZE, zero, 64);
	expect_bytes(&b, BSS, zero, 256);
	expect_bytes(&b, b.at.stack_high - 256, zero, 256);
	expect_bytes(&b, b.at.heap + b.at.heap_size - 256, zero, 256);
	end(&w, &b);
	world_free(&w);
}

Test(memory, rights_are_those_of_the_segments)
{
	struct world w = world_new(1000);
	struct box b;
	begin(&w, &b);
	struct memory *m = &b.memory;
	cr_assert_eq(memory_fault(m, 0, gva(TEXT), FAULT_EXEC), 0);
	cr_assert_eq(memory_fault(m, 0, gva(TEXT), FAULT_WRITE | PF_PRESENT), -EFAULT);
	cr_assert_eq(memory_fault(m, 0, gva(DATA), FAULT_EXEC | PF_PRESENT), -EFAULT);
	cr_assert_eq(memory_fault(m, 0, gva(DATA), FAULT_WRITE | PF_PRESENT), 0);
	cr_assert_eq(memory_fault(m, 0, gva(b.at.stack_low), FAULT_EXEC), -EFAULT);
	cr_assert_eq(memory_fault(m, 0, gva(b.at.heap), FAULT_EXEC), -EFAULT);
	cr_assert_eq(memory_fault(m, 0, gva(b.at.clock_page), FAULT_WRITE), -EFAULT);
	cr_assert_eq(memory_fault(m, 0, gva(b.at.info_page), FAULT_WRITE), -EFAULT);
	cr_assert_eq(memory_fault(m, 0, gva(b.at.info_page), FAULT_READ), 0);
	cr_assert_eq(memory_copyout(m, gva(TEXT), "x", 1), -EFAULT);
	cr_assert_eq(memory_copyout(m, gva(b.at.clock_page), "x", 1), -EFAULT);
	end(&w, &b);
	world_free(&w);
}

Test(memory, faults_that_no_guest_may_cause_are_its_end)
{
	struct world w = world_new(1000);
	struct box b;
	begin(&w, &b);
	const uint64_t bad[] = {0,
				CASSIN_VA_MIN - 1,
				CASSIN_VA_END,
				CASSIN_VA_END,
				UINT64_C(0x0000800000000000),
				UINT64_C(0xffff800000000000),
				UINT64_MAX};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++)
		cr_assert_eq(memory_fault(&b.memory, 0, gva(bad[i]), FAULT_READ), -EFAULT);
	cr_assert_eq(memory_fault(&b.memory, 0, gva(b.at.heap), 0), -EFAULT, "in ring 0");
	cr_assert_eq(memory_fault(&b.memory, 0, gva(b.at.heap), PF_USER | PF_RESERVED | PF_PRESENT), -EFAULT);
	end(&w, &b);
	world_free(&w);
}

Test(memory, an_image_that_does_not_fit_the_quota_is_refused)
{
	struct world w = world_new(1000);
	struct box b;
	cr_assert_eq(try_begin(&w, &b, 4 + STACK_PAGES), -E2BIG);
	cr_assert_eq(fake_cell_used(w.cell), 0u);
	cr_assert_eq(try_begin(&w, &b, 4 + STACK_PAGES + 1), 0);
	end(&w, &b);
	world_free(&w);
}

Test(memory, a_start_that_finds_no_memory_holds_none)
{
	for (uint64_t limit = 0; limit < 12; limit++) {
		struct world w = world_new(limit);
		struct box b;
		int r = try_begin(&w, &b, QUOTA);
		if (!r)
			end(&w, &b);
		cr_assert(r == 0 || r == -ENOMEM);
		cr_assert(limit > 2 || r);
		cr_assert_eq(fake_cell_used(w.cell), 0u);
		world_free(&w);
	}
}

/* ---- Sharing ---- */

Test(memory, a_write_to_a_shared_page_is_the_writers_alone)
{
	struct world w = world_new(1000);
	struct box a, b;
	begin(&w, &a);
	begin(&w, &b);
	uint64_t before = a.memory.used;
	cr_assert_eq(memory_copyout(&a.memory, gva(DATA), "mine", 4), 0);
	cr_assert_eq(a.memory.used, before + 1);
	expect_bytes(&a, DATA, "mine\5\6", 6);
	expect_bytes(&b, DATA, "\1\2\3\4\5\6", 6);
	struct box c;
	begin(&w, &c);
	expect_bytes(&c, DATA, "\1\2\3\4\5\6", 6);
	end(&w, &a);
	expect_bytes(&b, DATA, "\1\2\3\4\5\6", 6);
	end(&w, &b);
	end(&w, &c);
	world_free(&w);
}

Test(memory, guests_of_one_image_share_its_pages)
{
	struct world w = world_new(1000);
	struct box a, b;
	frame_t fa, fb;
	begin(&w, &a);
	begin(&w, &b);
	cr_assert_eq(memory_touch(&a.memory, 0, TEXT, CASSIN_EXEC, &fa), 0);
	cr_assert_eq(memory_touch(&b.memory, 0, TEXT, CASSIN_EXEC, &fb), 0);
	cr_assert_eq(fa, fb);
	end(&w, &a);
	end(&w, &b);
	world_free(&w);
}

/* They are as large as all else that a parked guest keeps of its memory. */
Test(memory, guests_of_one_image_and_quota_share_the_description_of_their_regions)
{
	struct world w = world_new(1000);
	struct box first, second, larger, last;
	begin(&w, &first);
	begin(&w, &second);
	cr_assert_eq(try_begin(&w, &larger, QUOTA * 2), 0);
	cr_assert_eq(second.memory.regions, first.memory.regions);
	cr_assert_neq(larger.memory.regions, first.memory.regions);
	cr_assert_eq(larger.memory.regions->quota, QUOTA * 2);
	end(&w, &first);
	end(&w, &larger);
	begin(&w, &last);
	cr_assert_eq(last.memory.regions, second.memory.regions);
	expect_bytes(&last, TEXT, "\xcc\xcc\xcc\xcc", 4);
	end(&w, &second);
	end(&w, &last);
	world_free(&w);
}

Test(memory, frames_of_the_dead_are_scrubbed_before_reuse)
{
	char secret[64];
	struct world w = world_new(400);
	struct box a, b;
	memset(secret, 's', sizeof secret);
	begin(&w, &a);
	for (uint64_t at = a.at.heap; at < a.at.heap + a.at.heap_size; at += PAGE_SIZE)
		cr_assert_eq(memory_copyout(&a.memory, gva(at), secret, sizeof secret), 0);
	cr_assert_eq(memory_copyout(&a.memory, gva(BSS), secret, sizeof secret), 0);
	end(&w, &a);
	begin(&w, &b);
	for (uint64_t at = b.at.heap; at < b.at.heap + b.at.heap_size; at += PAGE_SIZE) {
		frame_t f;
		cr_assert_eq(memory_touch(&b.memory, 0, at, CASSIN_READ, &f), 0);
		for (unsigned i = 0; i < PAGE_SIZE; i++)
			cr_assert_eq(((char *)cell_frame(&w.cell->cell, f))[i], 0);
	}
	end(&w, &b);
	cr_assert_eq(fake_cell_used(w.cell), 0u);
	world_free(&w);
}

Test(memory, a_guest_that_ends_leaves_nothing)
{
	struct world w = world_new(1000);
	for (unsigned round = 0; round < 20; round++) {
		struct box b;
		begin(&w, &b);
		cr_assert_eq(memory_copyout(&b.memory, gva(b.at.heap + 0x8000), "x", 1), 0);
		cr_assert_eq(memory_fault(&b.memory, 0, gva(b.at.info_page), FAULT_READ), 0);
		int space = memory_space_create(&b.memory);
		cr_assert_eq(space, 1);
		cr_assert_eq(memory_map(&b.memory, 1, gva(0x10000), b.at.heap_page, 4, CASSIN_READ), 0);
		cr_assert_eq(memory_fault(&b.memory, 1, gva(0x10000), FAULT_READ), 0);
		end(&w, &b);
		cr_assert_eq(fake_cell_used(w.cell), 0u);
	}
	world_free(&w);
}

/* Touches one page of the heap more, in the order of a permutation of each four; returns the faults. The pages ahead of those touched are
 * bounded by a share of what there is. */
static unsigned grow(struct world *w, const unsigned order[4])
{
	struct box b;
	cr_assert_eq(try_begin(w, &b, 5000), 0);
	uint64_t before = b.memory.used;
	unsigned faults = 0;
	for (uint64_t i = 0; i < 4000; i++) {
		uint64_t at = b.at.heap + (i / 4 * 4 + order[i % 4]) * PAGE_SIZE;
		uint64_t *entry = space_entry(&b.memory, 0, at, false);
		if (!entry || !(*entry & PTE_P)) {
			cr_assert_eq(memory_fault(&b.memory, 0, gva(at), FAULT_WRITE), 0);
			faults++;
		}
		int64_t ahead = (int64_t)(b.memory.used - before) - (int64_t)(i + 1);
		int64_t most = (int64_t)b.memory.used / 8 + 4;
		cr_assert(ahead < 20 || ahead <= most, "page %u: %d ahead", (unsigned)i, (int)ahead);
	}
	end(w, &b);
	return faults;
}

/* Who skips pages and comes back to them grows in sequence all the same. */
Test(memory, growth_in_sequence_is_run_ahead_of_by_a_share_of_what_there_is)
{
	struct world w = world_new(6000);
	cr_assert_lt(grow(&w, (const unsigned[4]){0, 1, 2, 3}), 50u);
	cr_assert_lt(grow(&w, (const unsigned[4]){2, 0, 1, 3}), 80u);
	cr_assert_lt(grow(&w, (const unsigned[4]){1, 3, 0, 2}), 400u);
	world_free(&w);
}

/* However much there is, one fault shows no more than what was skipped and as much ahead, both bounded. */
Test(memory, a_fault_behind_a_large_gap_is_one_bounded_piece)
{
	const uint64_t more = UINT64_C(1) << 24, window = 256;
	struct world w = world_new(6000);
	struct box b;
	cr_assert_eq(try_begin(&w, &b, 5000), 0);
	cr_assert_eq(memory_fault(&b.memory, 0, gva(b.at.heap + 100 * PAGE_SIZE), FAULT_WRITE), 0);
	for (uint64_t skipped = 1; skipped < 2000; skipped *= 2) {
		uint64_t before = b.memory.used;
		b.memory.used += more; /* as far as growth goes by */
		cr_assert_eq(memory_fault(&b.memory, 0, gva(b.memory.fault_next + skipped * PAGE_SIZE), FAULT_WRITE),
			     0);
		b.memory.used -= more;
		cr_assert_leq(b.memory.used - before, 2 * window, "%u skipped", (unsigned)skipped);
	}
	end(&w, &b);
	world_free(&w);
}

/* ---- Copies ---- */

Test(memory, bad_pointers_are_refused_and_nothing_is_copied)
{
	struct world w = world_new(1000);
	struct box b;
	char buf[8192];
	begin(&w, &b);
	const struct {
		uint64_t va;
		size_t len;
	} bad[] = {
		{0, 1},
		{CASSIN_VA_MIN - 1, 2},
		{CASSIN_VA_END - 1, 2},
		{CASSIN_VA_END, 1},
		{CASSIN_VA_END + 0x1000, 8},
		{UINT64_C(0x0000800000000000), 8},
		{UINT64_C(0xffff800000000000), 8},
		{UINT64_MAX, 1},
		{UINT64_MAX - 3, 8192},
		{TEXT - 1, 2},
		{TEXT + 0xfff, 2},
		{b.at.stack_high - 8, 16},
		{b.at.stack_low - 8, 16},
		{b.at.heap + b.at.heap_size - 1, 2},
		{b.at.heap + b.at.heap_size - PAGE_SIZE, 8192},
	};
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		memset(buf, 0x77, sizeof buf);
		cr_assert_eq(memory_copyin(&b.memory, buf, gva(bad[i].va), bad[i].len), -EFAULT, "case %u", i);
		for (unsigned j = 0; j < sizeof buf; j++)
			cr_assert_eq(buf[j], 0x77);
		cr_assert_eq(memory_copyout(&b.memory, gva(bad[i].va), buf, bad[i].len), -EFAULT, "case %u", i);
		cr_assert_eq(memory_check_for(&b.memory, gva(bad[i].va), bad[i].len, CASSIN_READ), -EFAULT, "case %u",
			     i);
		struct iovec iov[4];
		cr_assert_eq(memory_span_for(&b.memory, gva(bad[i].va), bad[i].len, CASSIN_READ, iov, 4), -EFAULT,
			     "case %u", i);
	}
	expect_bytes(&b, b.at.stack_high - 8, "\0\0\0\0\0\0\0\0", 8);
	cr_assert_eq(memory_check_for(&b.memory, gva(TEXT), SIZE_MAX, CASSIN_READ), -EFAULT);
	end(&w, &b);
	world_free(&w);
}

Test(memory, nothing_has_no_address)
{
	struct world w = world_new(1000);
	struct box b;
	struct iovec iov;
	begin(&w, &b);
	cr_assert_eq(memory_copyin(&b.memory, NULL, gva(UINT64_MAX), 0), 0);
	cr_assert_eq(memory_copyout(&b.memory, gva(0), NULL, 0), 0);
	cr_assert_eq(memory_check_for(&b.memory, gva(0), 0, CASSIN_WRITE), 0);
	cr_assert_eq(memory_span_for(&b.memory, gva(0), 0, CASSIN_WRITE, &iov, 1), 0);
	end(&w, &b);
	world_free(&w);
}

Test(memory, a_span_shows_the_pages_one_by_one)
{
	struct world w = world_new(1000);
	struct box b;
	struct iovec iov[4];
	begin(&w, &b);
	const uint64_t va = b.at.heap + PAGE_SIZE - 10;
	cr_assert_eq(memory_span_for(&b.memory, gva(va), 20 + PAGE_SIZE, CASSIN_WRITE, iov, 4), 3);
	cr_assert_eq(iov[0].iov_len, 10u);
	cr_assert_eq(iov[1].iov_len, PAGE_SIZE);
	cr_assert_eq(iov[2].iov_len, 10u);
	memcpy(iov[2].iov_base, "tail", 4);
	expect_bytes(&b, va + 10 + PAGE_SIZE, "tail", 4);
	cr_assert_eq(memory_span_for(&b.memory, gva(va), 20 + PAGE_SIZE, CASSIN_WRITE, iov, 1), 1);
	end(&w, &b);
	world_free(&w);
}

Test(memory, an_exhausted_pool_is_an_error_to_that_guest_only)
{
	struct world w = world_new(60);
	struct box a, b;
	int r = 0;
	begin(&w, &a);
	begin(&w, &b);
	cr_assert_eq(memory_copyout(&b.memory, gva(b.at.heap), "safe", 4), 0);
	for (uint64_t at = a.at.heap; !r && at < a.at.heap + a.at.heap_size; at += PAGE_SIZE)
		r = memory_copyout(&a.memory, gva(at), "x", 1);
	cr_assert_eq(r, -ENOMEM);
	expect_bytes(&b, b.at.heap, "safe", 4);
	end(&w, &a);
	cr_assert_eq(memory_copyout(&b.memory, gva(b.at.heap + 0x10000), "more", 4), 0);
	end(&w, &b);
	cr_assert_eq(fake_cell_used(w.cell), 0u);
	world_free(&w);
}

/* An image of `pages` shared pages, all of which are filled, with one guest. */
static struct cell_image *filled_image(struct fake_cell *f, uint64_t pages)
{
	struct image *image = fake_image();
	struct cell_image *ci = cell_image_get(&f->cell, image, NULL);
	image_put(image);
	free(ci->frames);
	ci->frames = calloc(pages, sizeof *ci->frames);
	ci->npages = ci->filled = pages;
	for (uint64_t i = 0; i < pages; i++) {
		frame_t frame;
		cr_assert_eq(cell_frame_zero(&f->cell, &frame), 0);
		ci->frames[i] = frame;
	}
	atomic_fetch_add(&f->cell.image_frames, pages);
	return ci;
}

Test(images, the_pages_of_one_that_nobody_uses_any_more_go_back_in_bounded_pieces)
{
	struct fake_cell *f = fake_cell_new(FAKE_FRAMES);
	struct cell_image *ci = filled_image(f, 3000);
	uint64_t used = frames_used(&f->cell.frames);
	cell_image_put(&f->cell, ci);
	cr_assert_null(f->cell.images);
	cr_assert_eq(frames_used(&f->cell.frames), used - 1024, "who was its last guest does no more");
	cr_assert(cell_images_collect(&f->cell));
	cr_assert_eq(frames_used(&f->cell.frames), used - 3000);
	cr_assert_eq(f->cell.image_frames, 0u);
	cr_assert_not(cell_images_collect(&f->cell));
	fake_cell_free(f);
}

/* Though several go at once: whoever finds the pool full may be a worker. */
Test(images, those_that_nobody_uses_are_dropped_in_bounded_pieces)
{
	struct fake_cell *f = fake_cell_new(FAKE_FRAMES);
	struct cell_image *all[3];
	for (int i = 0; i < 3; i++)
		all[i] = filled_image(f, 900);
	uint64_t used = frames_used(&f->cell.frames), before = used;
	f->cell.images->guests = all[0]->guests = all[1]->guests = all[2]->guests = 0;
	unsigned pieces = 0;
	for (unsigned left = CELL_IMAGES_PIECE; cell_images_drop_some(&f->cell, &left); left = CELL_IMAGES_PIECE) {
		uint64_t now = frames_used(&f->cell.frames);
		cr_assert_leq(before - now, CELL_IMAGES_PIECE);
		before = now;
		pieces++;
	}
	cr_assert_geq(pieces, 3u);
	cell_images_collect(&f->cell);
	cr_assert_eq(frames_used(&f->cell.frames), used - 2700);
	fake_cell_free(f);
}

Test(images, an_idle_one_is_kept_until_somebody_needs_its_memory)
{
	struct fake_cell *f = fake_cell_new(FAKE_FRAMES);
	struct cell_image *ci = filled_image(f, 100);
	uint64_t used = frames_used(&f->cell.frames);
	cell_image_put(&f->cell, ci);
	cr_assert_eq(frames_used(&f->cell.frames), used);
	unsigned left = CELL_IMAGES_PIECE;
	cr_assert_not(cell_images_trim(&f->cell));
	cr_assert(cell_images_drop_some(&f->cell, &left));
	cr_assert_eq(frames_used(&f->cell.frames), used - 100);
	fake_cell_free(f);
}
