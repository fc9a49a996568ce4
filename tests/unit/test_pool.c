/* SPDX-License-Identifier: MIT */
/* The pool: who waits for pages is served in an order that is fair between domains, and whom nobody passes for ever. */
#include <criterion/criterion.h>

#include <errno.h>
#include <string.h>

#include "base/pool.h"
#include "base/time.h"

static struct frame_pool pool;
static struct pool_part *a, *b;
static struct want *order[16];
static unsigned served;
static uint64_t now = 1000;

uint64_t monotonic_ns(void)
{
	return now;
}

static void serve(void *opaque, struct want *w)
{
	cr_assert_eq(opaque, &pool);
	order[served++] = w;
}

static void set_up(void)
{
	pool = (struct frame_pool){.limit = 100, .patience = 1000, .serve = serve, .opaque = &pool};
	a = pool_part_get(&pool, "a");
	b = pool_part_get(&pool, "b");
	served = 0;
}

static void tear_down(void)
{
	pool_part_put(&pool, a);
	pool_part_put(&pool, b);
	cr_assert_null(pool.parts);
	cr_assert_eq(pool.kept_modest + pool.kept_greedy, 0u);
	cr_assert_eq(pool.waiting, 0u);
}

TestSuite(pool, .init = set_up, .fini = tear_down);

static void wait_for(struct pool_part *part, struct want *w, uint64_t pages)
{
	want_wait(&pool, part, w, pages, now);
}

static void half_of_the_patience_passes(void)
{
	now += pool.patience / 2;
	pool_serve(&pool);
}

static void done(struct want *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		want_drop(&pool, &w[i]);
}

Test(pool, a_domain_has_one_part)
{
	struct pool_part *again = pool_part_get(&pool, "a");
	cr_assert_eq(again, a);
	cr_assert_eq(pool.nparts, 2u);
	pool_part_put(&pool, again);
	cr_assert_eq(frame_pool_take(&pool, a, 60), 0);
	cr_assert_eq(a->used, 60u);
	cr_assert_not(pool_part_modest(&pool, a));
	cr_assert(pool_part_modest(&pool, b));
	frame_pool_give(&pool, a, 60);
	cr_assert_eq(a->used + pool.used, 0u);
}

Test(pool, what_comes_free_goes_to_the_oldest_that_it_suffices_for)
{
	struct want w[3] = {0};
	cr_assert_eq(frame_pool_take(&pool, NULL, 100), 0);
	wait_for(a, &w[0], 10);
	wait_for(a, &w[1], 2);
	wait_for(a, &w[2], 2);
	cr_assert_eq(served, 0u);
	frame_pool_give(&pool, NULL, 3);
	cr_assert_eq(served, 1u);
	cr_assert_eq(order[0], &w[1]);
	cr_assert_eq(frame_pool_take(&pool, NULL, 2), -ENOMEM, "two pages are kept");
	cr_assert_eq(frame_pool_take(&pool, NULL, 1), 0);
	pool_spend(&w[1].kept);
	cr_assert_eq(frame_pool_take(&pool, a, 2), 0, "for it");
	pool_spent(&w[1].kept);
	done(w, 3);
	frame_pool_give(&pool, a, 2);
	frame_pool_give(&pool, NULL, 98);
}

Test(pool, pages_that_are_kept_come_free_again_when_they_were_not_taken)
{
	struct want w[2] = {0};
	cr_assert_eq(frame_pool_take(&pool, NULL, 98), 0);
	wait_for(a, &w[0], 2);
	wait_for(a, &w[1], 2);
	cr_assert_eq(served, 1u);
	want_drop(&pool, &w[0]);
	cr_assert_eq(served, 2u);
	done(w, 2);
	frame_pool_give(&pool, NULL, 98);
}

Test(pool, domains_have_turns_however_many_wait_in_one)
{
	struct want w[6] = {0};
	cr_assert_eq(frame_pool_take(&pool, NULL, 100), 0);
	for (unsigned i = 0; i < 4; i++)
		wait_for(a, &w[i], 1);
	wait_for(b, &w[4], 1);
	wait_for(b, &w[5], 1);
	frame_pool_give(&pool, NULL, 4);
	cr_assert_eq(served, 4u);
	unsigned of_b = 0;
	for (unsigned i = 0; i < served; i++)
		of_b += order[i]->part == b;
	cr_assert_eq(of_b, 2u);
	cr_assert_neq(order[0]->part, order[1]->part);
	done(w, 6);
	frame_pool_give(&pool, NULL, 96);
}

Test(pool, a_domain_with_less_than_its_even_part_goes_first)
{
	struct want w[3] = {0};
	cr_assert_eq(frame_pool_take(&pool, a, 90), 0);
	cr_assert_eq(frame_pool_take(&pool, b, 10), 0);
	wait_for(a, &w[0], 1);
	wait_for(a, &w[1], 1);
	wait_for(b, &w[2], 1);
	frame_pool_give(&pool, a, 2);
	cr_assert_eq(served, 2u);
	cr_assert_eq(order[0], &w[2]);
	done(w, 3);
	frame_pool_give(&pool, a, 88);
	frame_pool_give(&pool, b, 10);
}

Test(pool, who_has_waited_for_half_of_the_patience_is_passed_no_longer)
{
	struct want w[2] = {0};
	cr_assert_eq(frame_pool_take(&pool, NULL, 100), 0);
	wait_for(a, &w[0], 10);
	now += 500;
	wait_for(a, &w[1], 1);
	frame_pool_give(&pool, NULL, 9);
	cr_assert_eq(served, 0u, "all of it is kept");
	cr_assert_eq(frame_pool_take(&pool, NULL, 1), -ENOMEM);
	frame_pool_give(&pool, NULL, 1);
	cr_assert_eq(served, 1u);
	cr_assert_eq(order[0], &w[0]);
	frame_pool_give(&pool, NULL, 1);
	cr_assert_eq(served, 2u);
	done(w, 2);
	frame_pool_give(&pool, NULL, 89);
}

Test(pool, what_is_kept_for_a_greedy_domain_is_not_kept_from_a_modest_one)
{
	struct want w = {0};
	cr_assert_eq(frame_pool_take(&pool, a, 95), 0);
	wait_for(a, &w, 10);
	half_of_the_patience_passes();
	cr_assert_eq(frame_pool_take(&pool, a, 1), -ENOMEM, "the domain's others leave it alone");
	cr_assert_eq(frame_pool_take(&pool, NULL, 1), -ENOMEM);
	cr_assert_eq(frame_pool_take(&pool, b, 5), 0, "its guests are admitted as ever");
	want_drop(&pool, &w);
	frame_pool_give(&pool, a, 95);
	frame_pool_give(&pool, b, 5);
}

Test(pool, who_asks_for_more_than_there_is_keeps_nothing)
{
	struct want w = {0};
	wait_for(a, &w, 101);
	now += 999;
	pool_serve(&pool);
	cr_assert_eq(served, 0u);
	cr_assert_eq(frame_pool_take(&pool, b, 100), 0);
	frame_pool_give(&pool, b, 100);
	want_drop(&pool, &w);
}

Test(pool, who_waits_again_keeps_its_place)
{
	struct want w[2] = {0};
	cr_assert_eq(frame_pool_take(&pool, NULL, 100), 0);
	wait_for(a, &w[0], 1);
	now += 10;
	wait_for(a, &w[1], 1);
	frame_pool_give(&pool, NULL, 1);
	cr_assert_eq(order[0], &w[0]);
	cr_assert_eq(frame_pool_take(&pool, NULL, 1), -ENOMEM);
	want_drop(&pool, &w[0]);
	cr_assert_eq(order[1], &w[1]);
	want_wait(&pool, a, &w[0], 1, 1000);
	cr_assert_eq(a->first, &w[0]);
	done(w, 2);
	frame_pool_give(&pool, NULL, 99);
}

Test(pool, who_was_served_takes_no_more_than_is_kept_for_it)
{
	struct want w[2] = {0};
	cr_assert_eq(frame_pool_take(&pool, a, 90), 0);
	cr_assert_eq(frame_pool_take(&pool, b, 10), 0);
	wait_for(a, &w[0], 2);
	wait_for(b, &w[1], 3);
	frame_pool_give(&pool, a, 5);
	cr_assert_eq(served, 2u);
	pool_spend(&w[0].kept);
	cr_assert_eq(frame_pool_take(&pool, a, 1), 0);
	cr_assert_eq(frame_pool_take(&pool, a, 1), 0);
	cr_assert_eq(frame_pool_take(&pool, a, 1), -ENOMEM, "that is kept for another");
	cr_assert_not(frame_pool_force(&pool, a, 1));
	frame_pool_give(&pool, a, 1);
	pool_spent(&w[0].kept);
	pool_spend(&w[1].kept);
	cr_assert_eq(frame_pool_take(&pool, b, 3), 0);
	pool_spent(&w[1].kept);
	cr_assert_eq(pool.used, 100u);
	done(w, 2);
	frame_pool_give(&pool, a, 87);
	frame_pool_give(&pool, b, 13);
}

Test(pool, what_was_not_taken_for_want_of_room_is_kept_on)
{
	struct want w = {0};
	struct pool_kept more;
	cr_assert_eq(frame_pool_take(&pool, a, 98), 0);
	wait_for(a, &w, 2);
	pool_keep(&pool, a, &more, 0);
	pool_spend(&w.kept);
	pool_spend(&more);
	cr_assert_eq(frame_pool_take(&pool, a, 3), -ENOMEM);
	cr_assert_eq(w.kept.pages, 2u);
	cr_assert_eq(frame_pool_take(&pool, a, 2), 0, "what is under it is spent, too");
	pool_spent(&more);
	pool_spent(&w.kept);
	pool_keep_no_longer(&pool, &more);
	want_drop(&pool, &w);
	cr_assert_eq(a->kept, 0u);
	frame_pool_give(&pool, a, 100);
}

Test(pool, what_is_kept_for_a_domain_counts_as_its_own)
{
	struct want w[3] = {0};
	cr_assert_eq(frame_pool_take(&pool, b, 100), 0);
	for (int i = 0; i < 3; i++)
		wait_for(a, &w[i], 30);
	frame_pool_give(&pool, b, 95);
	cr_assert_eq(served, 3u);
	cr_assert_not(pool_part_modest(&pool, a));
	cr_assert_eq(frame_pool_take(&pool, b, 35), 0, "what it may have whoever waits");
	cr_assert_eq(frame_pool_take(&pool, b, 11), -ENOMEM, "and not beyond its even part");
	done(w, 3);
	frame_pool_give(&pool, b, 40);
}

Test(pool, who_is_modest_passes_what_is_kept_for_the_greedy)
{
	struct want w[2] = {0};
	cr_assert_eq(frame_pool_take(&pool, a, 95), 0);
	cr_assert_eq(frame_pool_take(&pool, b, 5), 0);
	wait_for(a, &w[0], 10);
	half_of_the_patience_passes();
	cr_assert_eq(pool.reserved, &w[0]);
	wait_for(b, &w[1], 1);
	frame_pool_give(&pool, a, 1);
	cr_assert_eq(served, 1u);
	cr_assert_eq(order[0], &w[1]);
	done(w, 2);
	frame_pool_give(&pool, a, 94);
	frame_pool_give(&pool, b, 5);
}

/* Though it has nothing yet, and so would be served before all. */
Test(pool, who_wants_more_than_an_even_part_is_greedy)
{
	struct want w[2] = {0};
	cr_assert_eq(frame_pool_take(&pool, NULL, 100), 0);
	wait_for(a, &w[0], 60);
	now += 500;
	wait_for(b, &w[1], 1);
	frame_pool_give(&pool, NULL, 1);
	cr_assert_eq(served, 1u);
	cr_assert_eq(order[0], &w[1]);
	done(w, 2);
	frame_pool_give(&pool, NULL, 99);
}

Test(pool, domains_have_turns_in_being_passed_no_longer)
{
	struct want w[3] = {0};
	cr_assert_eq(frame_pool_take(&pool, NULL, 100), 0);
	wait_for(a, &w[0], 40);
	wait_for(a, &w[1], 40);
	wait_for(b, &w[2], 2);
	half_of_the_patience_passes();
	cr_assert_eq(pool.reserved, &w[0]);
	want_drop(&pool, &w[0]);
	cr_assert_eq(pool.reserved, &w[2]);
	done(w, 3);
	frame_pool_give(&pool, NULL, 100);
}

Test(pool, what_is_taken_for_nobody_may_be_on_behalf_of_a_domain)
{
	struct want w = {0};
	cr_assert_eq(frame_pool_take(&pool, a, 95), 0);
	wait_for(a, &w, 10);
	half_of_the_patience_passes();
	cr_assert_eq(frame_pool_take(&pool, NULL, 1), -ENOMEM);
	pool_on_behalf(b);
	cr_assert_eq(frame_pool_take(&pool, NULL, 1), 0);
	pool_on_behalf(NULL);
	want_drop(&pool, &w);
	frame_pool_give(&pool, a, 95);
	frame_pool_give(&pool, NULL, 1);
}

static unsigned reclaims;

static bool reclaim(void *opaque)
{
	(void)opaque;
	reclaims++;
	return true;
}

Test(pool, what_is_given_back_for_one_taker_is_bounded)
{
	unsigned tries = 0, n = 0;
	pool.reclaim = reclaim;
	while (frame_pool_reclaim(&pool, &tries))
		n++;
	cr_assert_eq(n, 4u);
	cr_assert_eq(reclaims, 4u);
}

/* ---- Pages that are spared ---- */

Test(pool, the_last_pages_are_for_domains_with_less_than_their_even_part)
{
	pool.spared = 10;
	cr_assert_eq(frame_pool_take(&pool, a, 50), 0);
	cr_assert_eq(frame_pool_take(&pool, a, 41), -ENOMEM);
	cr_assert_eq(frame_pool_take(&pool, a, 40), 0);
	cr_assert_eq(frame_pool_take(&pool, a, 1), -ENOMEM);
	cr_assert_eq(frame_pool_take(&pool, b, 6), 0);
	cr_assert_eq(frame_pool_take(&pool, NULL, 4), 0, "nobody's are not asked whose they are");
	cr_assert_eq(frame_pool_take(&pool, b, 1), -ENOMEM);
	frame_pool_give(&pool, a, 90);
	frame_pool_give(&pool, b, 6);
	frame_pool_give(&pool, NULL, 4);
}

Test(pool, one_domain_alone_has_all_of_the_pool)
{
	pool.spared = 10;
	pool_part_put(&pool, b);
	cr_assert_eq(frame_pool_take(&pool, a, 100), 0);
	frame_pool_give(&pool, a, 100);
	b = pool_part_get(&pool, "b");
}

Test(pool, who_waits_is_not_served_with_what_is_spared)
{
	struct want w[3] = {0};
	pool.spared = 10;
	cr_assert_eq(frame_pool_take(&pool, a, 90), 0);
	wait_for(a, &w[0], 2);
	cr_assert_eq(served, 0u);
	wait_for(b, &w[1], 5);
	cr_assert_eq(served, 1u);
	cr_assert_eq(order[0], &w[1]);
	now += 600;
	pool_serve(&pool);
	cr_assert_eq(served, 1u, "nor with what is kept for it after half of the patience");
	frame_pool_give(&pool, a, 7);
	cr_assert_eq(served, 2u);
	pool_spend(&w[0].kept);
	cr_assert_eq(frame_pool_take(&pool, a, 2), 0);
	pool_spent(&w[0].kept);
	wait_for(a, &w[2], 95);
	now += 600;
	pool_serve(&pool);
	cr_assert_eq(pool.reserved, NULL, "there is never so much for it");
	done(w, 3);
	frame_pool_give(&pool, a, 85);
}

/* With few pages a domain has less than its even part, and with many it would have more. */
Test(pool, who_would_have_more_than_its_even_part_is_served_from_what_is_not_spared)
{
	struct want w[2] = {0};
	pool.spared = 10;
	cr_assert_eq(frame_pool_take(&pool, a, 45), 0);
	cr_assert_eq(frame_pool_take(&pool, NULL, 44), 0);
	wait_for(a, &w[0], 8);
	cr_assert_eq(served, 0u);
	wait_for(a, &w[1], 3);
	cr_assert_eq(served, 1u);
	cr_assert_eq(order[0], &w[1]);
	done(w, 2);
	frame_pool_give(&pool, a, 45);
	frame_pool_give(&pool, NULL, 44);
}

Test(pool, who_looks_for_itself_is_served_untold)
{
	struct want w = {.polled = true};
	cr_assert_eq(frame_pool_take(&pool, a, 95), 0);
	cr_assert_eq(frame_pool_take(&pool, b, 5), 0);
	wait_for(b, &w, 8);
	cr_assert(want_waits(&pool, &w));
	frame_pool_give(&pool, a, 8);
	cr_assert_eq(served, 0u, "nobody is told");
	cr_assert_not(want_waits(&pool, &w));
	pool_spend(&w.kept);
	cr_assert_eq(frame_pool_take(&pool, b, 8), 0);
	cr_assert_not(w.kept.refused);
	cr_assert_eq(frame_pool_take(&pool, b, 1), -ENOMEM);
	cr_assert(w.kept.refused);
	pool_spent(&w.kept);
	want_drop(&pool, &w);
	frame_pool_give(&pool, a, 87);
	frame_pool_give(&pool, b, 13);
}

#define MANY 5000u

/* Each is served once, and whoever was served gives the next its turn. */
Test(pool, thousands_that_wait_are_served_in_their_order, .timeout = 60)
{
	static struct want w[MANY];
	unsigned each[2] = {0};
	pool.serve = NULL;
	cr_assert_eq(frame_pool_take(&pool, NULL, 100), 0);
	for (unsigned i = 0; i < MANY; i++)
		wait_for(i % 2 ? a : b, &w[i], 1);
	cr_assert_eq(pool.waiting, MANY);
	frame_pool_give(&pool, NULL, 1);
	for (unsigned i = 0; i < MANY; i++) {
		struct want *a_next = &w[each[0] * 2 + 1], *b_next = &w[each[1] * 2];
		bool of_b = each[1] < MANY / 2 && b_next->state == WANT_SERVED;
		struct want *next = of_b ? b_next : a_next;
		cr_assert_eq(next->state, WANT_SERVED);
		cr_assert_eq(pool.waiting, MANY - i - 1);
		each[!of_b ? 0 : 1]++;
		want_drop(&pool, next);
	}
	frame_pool_give(&pool, NULL, 99);
}
