/* SPDX-License-Identifier: MIT */
/* Guests that end or move in pieces: whose turn it is, what is held meanwhile, and who pays. */
#include <criterion/criterion.h>

#include "fake_guest.h"

#define MS UINT64_C(1000000)

static unsigned left, done, kick_at;
static struct worker *kicked;

static bool on_step(struct guest *g)
{
	cr_assert_eq(g->run, RUN_PASSAGE);
	cr_assert(left);
	left--;
	fake_time_passes(MS / 10);
	if (left == kick_at && kicked)
		kicked->kick.kicked = 1;
	return left;
}

static void on_done(struct guest *g)
{
	done++;
	g->run = RUN_NONE;
	passage_over(g);
}

static struct fake_guest *blocked_guest(void)
{
	struct fake_guest *f = fake_guest_new();
	f->guest.run = RUN_BLOCKED;
	atomic_init(&f->guest.refs, 1);
	left = done = kick_at = 0;
	kicked = &f->worker;
	return f;
}

Test(passage, a_short_one_is_over_at_once)
{
	struct fake_guest *f = blocked_guest();
	left = PASSAGE_AT_ONCE;
	passage_begin(&f->guest, on_step, on_done);
	cr_assert_eq(done, 1u);
	cr_assert_null(passage_next(&f->worker));
	cr_assert_eq(f->guest.count.work_ns, PASSAGE_AT_ONCE * MS / 10, "and is paid for");
	fake_guest_free(f);
}

Test(passage, a_long_one_has_every_second_turn_until_a_kick)
{
	struct fake_guest *f = blocked_guest();
	struct share other = {.weight = SHARE_WEIGHT};
	left = PASSAGE_AT_ONCE + 40;
	schedule_put(&f->worker.schedule, &other, SHARE_NEW);
	passage_begin(&f->guest, on_step, on_done);
	cr_assert_eq(left, 40u);
	unsigned turns = 0, others = 0;
	while (!done) {
		struct guest *g = passage_next(&f->worker);
		if (!g) {
			others++;
			continue;
		}
		cr_assert_eq(g, &f->guest);
		f->worker.kick.kicked = 0;
		atomic_store(&f->worker.kick.posted, true); /* does not end its turn */
		kick_at = left - 10;
		if (!passage_run(&f->worker, g))
			passage_finish(g);
		turns++;
	}
	cr_assert_eq(turns, 4u);
	cr_assert_eq(others, 3u, "in between");
	cr_assert_eq(f->worker.runnable, 0u);
	cr_assert_eq(f->guest.count.work_ns, (PASSAGE_AT_ONCE + 40) * MS / 10);
	fake_guest_free(f);
}

Test(passage, a_cap_is_charged_but_does_not_hold_it)
{
	struct fake_guest *f = blocked_guest();
	struct bandwidth cap = {.quota = MS, .period = 100 * MS, .used = 2 * MS, .period_end = 1000 * MS};
	f->guest.cap = &cap;
	left = PASSAGE_AT_ONCE + 10;
	passage_begin(&f->guest, on_step, on_done);
	struct guest *g = passage_next(&f->worker);
	cr_assert_eq(g, &f->guest);
	cr_assert_not(passage_run(&f->worker, g));
	passage_finish(g);
	cr_assert_eq(cap.used, 2 * MS + (PASSAGE_AT_ONCE + 10) * MS / 10);
	fake_guest_free(f);
}

struct numbered {
	struct guest_call call; /* first */
	unsigned number;
};

static unsigned ncalls, order[8];

static void on_call(struct guest *g, struct guest_call *c)
{
	(void)g;
	order[ncalls++] = ((struct numbered *)c)->number;
}

static void deliver(struct worker *w)
{
	struct message *m = w->inbox;
	w->inbox = NULL;
	w->inbox_end = NULL;
	while (m) {
		struct message *next = m->next;
		m->fn(w, m);
		m = next;
	}
}

static void pass_on(struct fake_guest *f)
{
	struct guest *g = passage_next(&f->worker);
	cr_assert_eq(g, &f->guest);
	cr_assert_not(passage_run(&f->worker, g));
	passage_finish(g);
}

/* What came first goes first, also where the inbox has the later one already when the passage is over. */
Test(passage, calls_wait_until_it_is_over)
{
	struct fake_guest *f = blocked_guest();
	struct numbered c[5] = {{.number = 0}, {.number = 1}, {.number = 2}, {.number = 3}, {.number = 4}};
	ncalls = 0;
	left = PASSAGE_AT_ONCE + 1;
	passage_begin(&f->guest, on_step, on_done);
	guest_post(&f->guest, &c[0].call, on_call);
	guest_post(&f->guest, &c[1].call, on_call);
	deliver(&f->worker);
	passage_then(&f->guest, &c[2].call, on_call);
	guest_post(&f->guest, &c[3].call, on_call);
	cr_assert_eq(ncalls, 0u);
	pass_on(f);
	deliver(&f->worker);
	cr_assert_eq(ncalls, 4u);
	for (unsigned i = 0; i < 4; i++)
		cr_assert_eq(order[i], i);
	cr_assert_eq(atomic_load(&f->guest.refs), 1u);
	passage_then(&f->guest, &c[4].call, on_call);
	cr_assert_eq(ncalls, 5u, "at once");
	fake_guest_free(f);
}

static void begins_again(struct guest *g, struct guest_call *c)
{
	on_call(g, c);
	left = PASSAGE_AT_ONCE + 1;
	passage_begin(g, on_step, on_done);
}

Test(passage, a_call_that_begins_another_has_the_next_ones_wait_for_that)
{
	struct fake_guest *f = blocked_guest();
	struct numbered c[3] = {{.number = 0}, {.number = 1}, {.number = 2}};
	ncalls = 0;
	left = PASSAGE_AT_ONCE + 1;
	passage_begin(&f->guest, on_step, on_done);
	guest_post(&f->guest, &c[0].call, on_call);
	guest_post(&f->guest, &c[1].call, begins_again);
	guest_post(&f->guest, &c[2].call, on_call);
	deliver(&f->worker);
	pass_on(f);
	deliver(&f->worker);
	cr_assert_eq(ncalls, 2u);
	pass_on(f);
	deliver(&f->worker);
	cr_assert_eq(ncalls, 3u);
	cr_assert_eq(order[2], 2u);
	cr_assert_eq(atomic_load(&f->guest.refs), 1u);
	fake_guest_free(f);
}

/* Of those that wait for something else nobody else takes the place. */
Test(passage, a_call_that_is_held_for_another_reason_holds_up_none)
{
	struct fake_guest *f = blocked_guest();
	struct numbered c[2] = {{.number = 0}, {.number = 1}};
	ncalls = 0;
	guest_hold(&f->guest, &c[0].call, on_call);
	guest_post(&f->guest, &c[1].call, on_call);
	deliver(&f->worker);
	cr_assert_eq(ncalls, 1u);
	cr_assert_eq(order[0], 1u);
	guest_let_go(&f->guest);
	deliver(&f->worker);
	cr_assert_eq(ncalls, 2u);
	fake_guest_free(f);
}

static void no_cancel(struct op *op)
{
	(void)op;
}

Test(passage, operations_that_are_over_meanwhile_are_held)
{
	struct fake_guest *f = blocked_guest();
	const struct request request = {.user_data = 7};
	struct op *op = op_new(&f->guest, &request, no_cancel);
	left = PASSAGE_AT_ONCE + 1;
	passage_begin(&f->guest, on_step, on_done);
	op_complete(op, 1);
	cr_assert_eq(f->guest.nops, 1u);
	cr_assert_null(op_find(&f->guest, 7), "it cannot be cancelled");
	cr_assert_not(op_drop_some(&f->guest, 10), "but dropped");
	cr_assert_null(f->guest.held_ops.first);
	fake_guest_free(f);
}

Test(passage, operations_are_dropped_in_pieces)
{
	struct fake_guest *f = blocked_guest();
	const struct request request = {.user_data = 7};
	for (unsigned i = 0; i < 100; i++)
		op_new(&f->guest, &request, no_cancel);
	cr_assert(op_drop_some(&f->guest, 16));
	cr_assert_eq(f->guest.nops, 84u);
	while (op_drop_some(&f->guest, 16)) {
	}
	cr_assert_eq(f->guest.nops, 0u);
	fake_guest_free(f);
}
