/* SPDX-License-Identifier: MIT */
/* What is done for a guest outside its turns: when, and on whose account. */
#include <criterion/criterion.h>

#include "base/container.h"
#include "fake_guest.h"

#define MS UINT64_C(1000000)

struct item {
	struct work work;
	struct fake_guest *f;
	unsigned times;
	unsigned again; /* puts itself in again so often */
	bool kicks;     /* the worker is kicked meanwhile */
};

static void on_item(struct work *w)
{
	struct item *i = CONTAINER_OF(w, struct item, work);
	cr_assert_not(work_queued(w));
	cr_assert(i->f->guest.work.on);
	i->times++;
	fake_time_passes(MS / 10);
	if (i->kicks)
		i->f->worker.kick.kicked = 1;
	if (i->again && i->again--)
		work_later(&i->f->guest, w);
}

static struct fake_guest *blocked_guest(void)
{
	struct fake_guest *f = fake_guest_new();
	f->guest.run = RUN_BLOCKED;
	return f;
}

static struct item item_of(struct fake_guest *f)
{
	return (struct item){.work.fn = on_item, .f = f};
}

Test(work, time_outside_turns_is_charged_to_share_and_cap)
{
	struct fake_guest *f = blocked_guest();
	struct guest *g = &f->guest;
	struct bandwidth cap = {.quota = MS, .period = 100 * MS};
	g->cap = &cap;
	uint64_t vruntime = g->share.vruntime, began = guest_work_begin(g);
	fake_time_passes(3 * MS);
	guest_worked(g, began);
	cr_assert_geq(g->share.vruntime - vruntime, 3 * MS - SHARE_CREDIT_NS);
	cr_assert_eq(cap.used, 3 * MS);
	cr_assert_eq(g->count.work_ns, 3 * MS);
	fake_guest_free(f);
}

/* Threads for paths bind, remove and connect while it does something else: its next turn pays. */
Test(work, time_at_paths_is_charged_with_the_next_turn)
{
	struct fake_guest *f = blocked_guest();
	struct guest *g = &f->guest;
	struct bandwidth cap = {.quota = MS, .period = 100 * MS};
	g->cap = &cap;
	struct path_line paths = {0};
	uint64_t vruntime = g->share.vruntime;
	g->paths = &paths;
	atomic_store(&paths.spent, 5 * MS);
	guest_charge_turn(g, MS);
	cr_assert_eq(g->share.vruntime - vruntime, 6 * MS);
	cr_assert_eq(cap.used, 6 * MS);
	cr_assert_eq(g->count.work_ns, 5 * MS);
	guest_charge_turn(g, MS);
	cr_assert_eq(cap.used, 7 * MS, "once");
	fake_guest_free(f);
}

/* A process that a guest has filled with mappings ends for as long as it has them: its next turns pay, a little each, since the policy
 * of shares takes no notice of more. */
Test(work, time_that_a_backend_has_others_spend_is_charged_with_the_next_turns)
{
	struct fake_guest *f = blocked_guest();
	struct guest *g = &f->guest;
	uint64_t vruntime = g->share.vruntime;
	g->cpu.owed_ns = 60 * MS;
	for (unsigned turns = 1; turns <= 3; turns++) {
		guest_charge_turn(g, MS);
		uint64_t paid = turns < 3 ? turns * 25 * MS : 60 * MS;
		cr_assert_eq(g->share.vruntime - vruntime, turns * MS + paid);
		cr_assert_eq(g->count.work_ns, paid);
	}
	fake_guest_free(f);
}

Test(work, what_lies_within_other_work_or_a_turn_is_charged_once)
{
	struct fake_guest *f = blocked_guest();
	struct guest *g = &f->guest;
	uint64_t outer = guest_work_begin(g);
	uint64_t inner = guest_work_begin(g);
	fake_time_passes(MS);
	guest_worked(g, inner);
	guest_worked(g, outer);
	cr_assert_eq(g->count.work_ns, MS);
	g->run = RUN_ON_CPU;
	uint64_t in_turn = guest_work_begin(g);
	fake_time_passes(MS);
	guest_worked(g, in_turn);
	cr_assert_eq(g->count.work_ns, MS);
	fake_guest_free(f);
}

Test(work, a_share_that_is_queued_keeps_its_place_and_pays_in_its_turn)
{
	struct fake_guest *f = blocked_guest();
	struct guest *g = &f->guest;
	g->run = RUN_RUNNABLE;
	schedule_put(&f->worker.schedule, &g->share, SHARE_NEW);
	uint64_t vruntime = g->share.vruntime, began = guest_work_begin(g);
	fake_time_passes(2 * MS);
	guest_worked(g, began);
	cr_assert_eq(g->share.vruntime, vruntime);
	cr_assert_eq(schedule_take(&f->worker.schedule), &g->share);
	guest_charge_turn(g, MS);
	cr_assert_eq(g->share.vruntime, vruntime + 3 * MS);
	guest_charge_turn(g, MS);
	cr_assert_eq(g->share.vruntime, vruntime + 4 * MS, "it has paid");
	fake_guest_free(f);
}

Test(work, in_one_look_at_the_loop_only_a_little_is_done_at_once)
{
	struct fake_guest *f = blocked_guest();
	struct guest *g = &f->guest;
	cr_assert(work_at_once(g));
	uint64_t began = guest_work_begin(g);
	fake_time_passes(WORK_AT_ONCE_NS);
	guest_worked(g, began);
	cr_assert_not(work_at_once(g));
	f->worker.looks++;
	cr_assert(work_at_once(g));
	fake_guest_free(f);
}

Test(work, an_event_is_served_a_bounded_number_of_pieces_at_once)
{
	struct fake_guest *f = blocked_guest();
	unsigned pieces = 1;
	cr_assert_not(work_goes_on(&f->guest), "nothing is under way");
	cr_assert(work_at_once(&f->guest));
	while (work_goes_on(&f->guest))
		pieces++;
	cr_assert_eq(pieces, WORK_PIECES);
	fake_guest_free(f);
}

Test(work, a_guest_whose_cap_is_used_up_has_nothing_done_at_once)
{
	struct fake_guest *f = blocked_guest();
	struct guest *g = &f->guest;
	struct bandwidth cap = {.quota = MS, .period = 100 * MS, .used = 2 * MS, .period_end = 100 * MS};
	g->cap = &cap;
	cr_assert_not(work_at_once(g));
	fake_time_passes(250 * MS);
	cr_assert(work_at_once(g), "a later period");
	fake_guest_free(f);
}

Test(work, while_some_waits_more_waits_behind_it)
{
	struct fake_guest *f = blocked_guest();
	struct item a = item_of(f), b = item_of(f);
	work_later(&f->guest, &a.work);
	cr_assert_eq(f->work_turns, 1u, "its worker is told");
	cr_assert_not(work_at_once(&f->guest));
	work_later(&f->guest, &b.work);
	work_later(&f->guest, &a.work); /* it is there */
	cr_assert(work_due(&f->guest));
	work_run(&f->worker, &f->guest);
	cr_assert_eq(a.times, 1u);
	cr_assert_eq(b.times, 1u);
	cr_assert_not(work_due(&f->guest));
	cr_assert_eq(f->guest.count.work_ns, 2 * MS / 10);
	fake_guest_free(f);
}

Test(work, a_turn_for_work_ends_at_a_kick_and_does_one_piece_at_least)
{
	struct fake_guest *f = blocked_guest();
	struct item a = item_of(f), b = item_of(f);
	a.kicks = true;
	a.again = 1;
	work_later(&f->guest, &a.work);
	work_later(&f->guest, &b.work);
	work_run(&f->worker, &f->guest);
	cr_assert_eq(a.times, 1u);
	cr_assert_eq(b.times, 0u);
	work_run(&f->worker, &f->guest); /* still kicked */
	cr_assert_eq(b.times, 1u);
	work_run(&f->worker, &f->guest);
	cr_assert_eq(a.times, 2u);
	cr_assert_null(f->guest.work.first);
	fake_guest_free(f);
}

Test(work, a_runnable_guest_computes_and_has_its_work_done_in_turn)
{
	struct fake_guest *f = blocked_guest();
	struct item a = item_of(f);
	f->guest.run = RUN_RUNNABLE;
	a.again = 3;
	work_later(&f->guest, &a.work);
	cr_assert_eq(f->work_turns, 0u, "it is in the queue anyway");
	cr_assert(work_due(&f->guest));
	f->worker.kick.kicked = 1;
	work_run(&f->worker, &f->guest);
	cr_assert_not(work_due(&f->guest), "the next turn is its own");
	f->guest.run = RUN_BLOCKED;
	cr_assert(work_due(&f->guest), "unless it has nothing to compute");
	fake_guest_free(f);
}

Test(work, what_is_dropped_is_not_done)
{
	struct fake_guest *f = blocked_guest();
	struct item item[3] = {item_of(f), item_of(f), item_of(f)};
	for (unsigned i = 0; i < 3; i++)
		work_later(&f->guest, &item[i].work);
	work_drop(&f->guest, &item[1].work);
	work_drop(&f->guest, &item[1].work);
	work_drop(&f->guest, &item[2].work);
	work_run(&f->worker, &f->guest);
	cr_assert_eq(item[0].times, 1u);
	cr_assert_eq(item[1].times + item[2].times, 0u);
	work_later(&f->guest, &item[2].work);
	work_run(&f->worker, &f->guest);
	cr_assert_eq(item[2].times, 1u);
	fake_guest_free(f);
}
