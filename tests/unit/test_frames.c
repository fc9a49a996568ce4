/* SPDX-License-Identifier: MIT */
/* The allocator of frames: fresh, free, clean, in quarantine. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "cell/frames.h"

#define STEP 16u /* frames of one growth */

/* A cell that grows by STEP frames until it has `most`. */
struct fake_cell {
	struct frames frames;
	struct frame_pool pool;
	frame_t next;
	unsigned grown, most;
};

static int grow(void *opaque, frame_t *first, uint32_t *count)
{
	struct fake_cell *c = opaque;
	if (c->grown == c->most)
		return -ENOMEM;
	*first = c->next;
	*count = STEP;
	c->next += STEP + 100; /* slots need not touch */
	c->grown += STEP;
	return 0;
}

static void setup(struct fake_cell *c, uint64_t limit, unsigned most)
{
	*c = (struct fake_cell){.next = 1, .most = most, .pool = {.limit = limit}};
	frames_init(&c->frames, &c->pool, grow, c);
}

static frame_t take(struct fake_cell *c, bool expect_fresh)
{
	frame_t f = FRAME_NONE;
	bool fresh = !expect_fresh;
	cr_assert_eq(frames_alloc(&c->frames, &f, &fresh), 0);
	cr_assert_eq(fresh, expect_fresh);
	return f;
}

static uint64_t pool_used(struct fake_cell *c)
{
	return atomic_load(&c->pool.used);
}

Test(frames, fresh_frames_come_from_the_bottom_up)
{
	struct fake_cell c;
	setup(&c, 100, 2 * STEP);
	for (frame_t i = 0; i < STEP; i++)
		cr_assert_eq(take(&c, true), 1 + i);
	cr_assert_eq(c.grown, STEP);
	cr_assert_eq(take(&c, true), 1 + STEP + 100);
	cr_assert_eq(frames_used(&c.frames), STEP + 1u);
	frames_destroy(&c.frames);
}

Test(frames, a_freed_frame_is_told_to_be_scrubbed_before_reuse)
{
	struct fake_cell c;
	setup(&c, 100, STEP);
	frame_t f = take(&c, true);
	frames_free(&c.frames, &f, 1);
	cr_assert_eq(take(&c, false), f);
	take(&c, true);
	frames_destroy(&c.frames);
}

Test(frames, used_frames_are_taken_before_the_cell_grows)
{
	struct fake_cell c;
	setup(&c, 100, STEP);
	frame_t f[STEP];
	for (unsigned i = 0; i < STEP; i++)
		f[i] = take(&c, true);
	frames_free(&c.frames, f, STEP);
	for (unsigned i = 0; i < STEP; i++)
		take(&c, false);
	cr_assert_eq(c.grown, STEP);
	frames_destroy(&c.frames);
}

Test(frames, no_frame_is_handed_out_twice)
{
	struct fake_cell c;
	bool held[1 + 4 * (STEP + 100)] = {false};
	frame_t f[4 * STEP];
	setup(&c, 100, 4 * STEP);
	for (unsigned round = 0; round < 3; round++) {
		memset(held, 0, sizeof held);
		for (unsigned i = 0; i < 4 * STEP; i++) {
			f[i] = take(&c, round == 0);
			cr_assert_not(held[f[i]]);
			held[f[i]] = true;
		}
		frames_free(&c.frames, f, 2 * STEP);
		frames_free(&c.frames, f + 2 * STEP, 2 * STEP);
	}
	frames_destroy(&c.frames);
}

Test(frames, a_full_cell_refuses_and_recovers)
{
	struct fake_cell c;
	frame_t f = FRAME_NONE, spare;
	bool fresh;
	setup(&c, 100, STEP);
	for (unsigned i = 0; i < STEP; i++)
		f = take(&c, true);
	cr_assert_eq(frames_alloc(&c.frames, &spare, &fresh), -ENOSPC);
	cr_assert_eq(frames_used(&c.frames), STEP);
	cr_assert_eq(pool_used(&c), STEP);
	frames_free(&c.frames, &f, 1);
	cr_assert_eq(take(&c, false), f);
	frames_destroy(&c.frames);
}

Test(frames, the_pool_bounds_all_cells_together)
{
	struct frame_pool pool = {.limit = 3};
	struct fake_cell a, b;
	frame_t f;
	bool fresh;
	setup(&a, 0, STEP);
	setup(&b, 0, STEP);
	a.frames.pool = b.frames.pool = &pool;
	take(&a, true);
	take(&b, true);
	frame_t last = take(&b, true);
	cr_assert_eq(frames_alloc(&a.frames, &f, &fresh), -ENOMEM);
	cr_assert_eq(frames_alloc(&b.frames, &f, &fresh), -ENOMEM);
	cr_assert_eq(atomic_load(&pool.used), 3u);
	frames_free(&b.frames, &last, 1);
	take(&a, true);
	frames_destroy(&a.frames);
	cr_assert_eq(atomic_load(&pool.used), 1u);
	frames_destroy(&b.frames);
	cr_assert_eq(atomic_load(&pool.used), 0u);
}

Test(frames, an_empty_pool_gives_nothing)
{
	struct fake_cell c;
	frame_t f;
	bool fresh;
	setup(&c, 0, STEP);
	cr_assert_eq(frames_alloc(&c.frames, &f, &fresh), -ENOMEM);
	cr_assert_eq(c.grown, 0u);
	cr_assert_eq(pool_used(&c), 0u);
	frames_destroy(&c.frames);
}

Test(frames, quarantined_frames_stay_out_of_use_until_released)
{
	struct fake_cell c;
	frame_t f[STEP], spare;
	bool fresh;
	setup(&c, 100, STEP);
	for (unsigned i = 0; i < STEP; i++)
		f[i] = take(&c, true);
	cr_assert_eq(frames_quarantine(&c.frames, f, 2), 2u);
	cr_assert_eq(frames_quarantine(&c.frames, f + 2, 1), 3u);
	cr_assert_eq(frames_quarantined(&c.frames), 3u);
	cr_assert_eq(frames_alloc(&c.frames, &spare, &fresh), -ENOSPC);
	cr_assert_eq(frames_used(&c.frames), STEP, "the quarantine counts as used");
	frames_release(&c.frames, 3);
	cr_assert_eq(frames_quarantined(&c.frames), 0u);
	cr_assert_eq(frames_used(&c.frames), STEP - 3u);
	cr_assert_eq(pool_used(&c), STEP - 3u);
	for (unsigned i = 0; i < 3; i++)
		cr_assert_leq(take(&c, false), f[2]);
	frames_destroy(&c.frames);
}

Test(frames, a_release_frees_the_oldest_only)
{
	struct fake_cell c;
	frame_t f[3];
	setup(&c, 100, STEP);
	for (unsigned i = 0; i < 3; i++)
		f[i] = take(&c, true);
	frames_quarantine(&c.frames, f, 2);
	frames_quarantine(&c.frames, f + 2, 1); /* came while the cell was being flushed */
	frames_release(&c.frames, 2);
	cr_assert_eq(frames_quarantined(&c.frames), 1u);
	frame_t one = take(&c, false), two = take(&c, false);
	cr_assert_eq(one + two, f[0] + f[1]);
	take(&c, true);
	frames_release(&c.frames, 1);
	cr_assert_eq(take(&c, false), f[2]);
	frames_destroy(&c.frames);
}

Test(frames, a_release_of_none_changes_nothing)
{
	struct fake_cell c;
	setup(&c, 100, STEP);
	frame_t f = take(&c, true);
	frames_release(&c.frames, 0);
	frames_free(&c.frames, &f, 0);
	cr_assert_eq(frames_quarantine(&c.frames, &f, 0), 0u);
	cr_assert_eq(frames_used(&c.frames), 1u);
	frames_destroy(&c.frames);
}

Test(frames, everything_given_back_leaves_the_accounts_at_zero)
{
	struct fake_cell c;
	frame_t f[3 * STEP];
	setup(&c, 3 * STEP, 3 * STEP);
	for (unsigned i = 0; i < 3 * STEP; i++)
		f[i] = take(&c, true);
	frames_free(&c.frames, f, STEP);
	frames_quarantine(&c.frames, f + STEP, STEP);
	frames_free(&c.frames, f + 2 * STEP, STEP);
	frames_release(&c.frames, frames_quarantined(&c.frames));
	cr_assert_eq(frames_used(&c.frames), 0u);
	cr_assert_eq(pool_used(&c), 0u);
	for (unsigned i = 0; i < 3 * STEP; i++)
		take(&c, false);
	frames_destroy(&c.frames);
	cr_assert_eq(pool_used(&c), 0u);
}

Test(frames, a_cell_that_goes_gives_the_pool_what_it_held)
{
	struct fake_cell c;
	frame_t f[4];
	setup(&c, 100, STEP);
	for (unsigned i = 0; i < 4; i++)
		f[i] = take(&c, true);
	frames_quarantine(&c.frames, f, 2);
	frames_free(&c.frames, f + 2, 1);
	frames_destroy(&c.frames);
	cr_assert_eq(pool_used(&c), 0u);
}

/* Frames that nobody needed since the last look, half of them; given to the host and back. */
static uint32_t clean_idle(struct fake_cell *c)
{
	frame_t idle[100];
	uint32_t n = frames_take_idle(&c->frames, idle, frames_idle(&c->frames) / 2);
	frames_clean(&c->frames, idle, n);
	cr_assert_leq(c->frames.clean.count, c->frames.clean.capacity);
	return n;
}

Test(frames, frames_that_lay_idle_are_cleaned_and_read_as_zero_again)
{
	struct fake_cell c;
	frame_t f[8];
	setup(&c, 100, STEP);
	for (unsigned i = 0; i < 8; i++)
		f[i] = take(&c, true);
	frames_free(&c.frames, f, 8);
	cr_assert_eq(clean_idle(&c), 0u, "they may be wanted again");
	take(&c, false);
	cr_assert_eq(clean_idle(&c), 3u);
	for (unsigned i = 0; i < 4; i++)
		take(&c, false);
	for (unsigned i = 0; i < 3; i++)
		cr_assert_leq(take(&c, true), f[7]);
	cr_assert_eq(take(&c, true), f[7] + 1, "the next is a new one");
	frames_destroy(&c.frames);
}

Test(frames, there_is_room_for_frames_that_were_being_cleaned_while_the_cell_grew)
{
	struct fake_cell c;
	frame_t f[96], idle[30];
	setup(&c, 1000, 160);
	for (unsigned i = 0; i < 60; i++)
		f[i] = take(&c, true);
	frames_free(&c.frames, f, 60);
	frames_idle(&c.frames);
	cr_assert_eq(frames_idle(&c.frames), 60u);
	cr_assert_eq(frames_take_idle(&c.frames, idle, 30), 30u);
	for (unsigned i = 0; i < 65; i++)
		f[i] = take(&c, i >= 30);
	frames_clean(&c.frames, idle, 30);
	frames_free(&c.frames, f, 65);
	for (unsigned i = 0; i < 10; i++)
		clean_idle(&c);
	cr_assert_eq(frames_used(&c.frames), 0u);
	frames_destroy(&c.frames);
}

/* Takes, gives back and quarantines at random; the state of the generator is the caller's. */
static void *churn(void *opaque)
{
	struct fake_cell *c = opaque;
	uint32_t x = 12345;
	frame_t mine[40];
	unsigned n = 0;
	for (unsigned i = 0; i < 20000; i++) {
		bool fresh;
		x = x * 1664525 + 1013904223;
		if (x >> 31 && n < 40) {
			n += !frames_alloc(&c->frames, &mine[n], &fresh);
		} else if (n) {
			n--;
			if (x >> 30 & 1)
				frames_free(&c->frames, &mine[n], 1);
			else
				frames_quarantine(&c->frames, &mine[n], 1);
		}
	}
	frames_free(&c->frames, mine, n);
	return NULL;
}

Test(frames, threads_may_share_a_cell)
{
	struct fake_cell c;
	pthread_t t[3];
	setup(&c, 100000, 100000 / STEP * STEP);
	for (unsigned i = 0; i < 3; i++)
		cr_assert_eq(pthread_create(&t[i], NULL, churn, &c), 0);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	frames_release(&c.frames, frames_quarantined(&c.frames));
	cr_assert_eq(frames_used(&c.frames), 0u);
	cr_assert_eq(pool_used(&c), 0u);
	frames_destroy(&c.frames);
}
