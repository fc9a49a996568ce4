/* SPDX-License-Identifier: MIT */
/* Traced guests: every call and operation is told, in order, and what is not read in time is counted. */
#include <cassin/abi.h>
#include <cassin/trace.h>

#include "runner.h"

static struct cassin_trace *start(struct world *w, uint64_t id)
{
	struct cassin_trace *t;
	EXPECT_IS(cassin_engine_trace_start(w->e, id, &t), 0);
	return t;
}

/* The next record, which must come. */
static struct cassin_trace_record next(struct world *w, struct cassin_trace *t)
{
	struct cassin_trace_record r;
	uint64_t lost, end = now_ns() + 10000 * MS * w->slow;
	while (!cassin_engine_trace_read(t, &r, 1, &lost) && now_ns() < end)
		sleep_ms(1);
	if (now_ns() >= end)
		fail("no record came");
	EXPECT_IS(lost, 0);
	return r;
}

static void expect(const struct cassin_trace_record *r, enum cassin_trace_kind kind, uint64_t number)
{
	EXPECT_IS(r->kind, kind);
	EXPECT_IS(r->number, number);
}

static void tells_calls_and_operations(struct world *w, const struct test *test)
{
	uint64_t id = spawn(w, "g", "life", "read"), last = 0;
	(void)test;
	await_text(w, id, "reading");
	while (!status_of(w, id).ready)
		sleep_ms(1);
	struct cassin_trace *t = start(w, id), *other;
	EXPECT_IS(cassin_engine_trace_start(w->e, id, &other), -EBUSY);
	EXPECT_IS(cassin_engine_trace_start(w->e, id + 1000, &other), -ENOENT);
	struct cassin_trace_record r = next(w, t);
	expect(&r, CASSIN_TRACE_CALL, CASSIN_CALL_ENTER); /* the one in which it waits */
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "hello\n", 6), 6);
	r = next(w, t);
	expect(&r, CASSIN_TRACE_COMPLETE, CASSIN_OP_CONSOLE_READ);
	EXPECT_IS(r.result, 6);
	EXPECT(r.text_len == 6 && !memcmp(r.text, "hello\n", 6));
	r = next(w, t);
	expect(&r, CASSIN_TRACE_RETURN, CASSIN_CALL_ENTER);
	r = next(w, t);
	expect(&r, CASSIN_TRACE_CALL, CASSIN_CALL_LOG);
	EXPECT(r.text_len == 6 && !memcmp(r.text, "read: ", 6));
	EXPECT_IS(r.args[1], 6);
	r = next(w, t);
	expect(&r, CASSIN_TRACE_RETURN, CASSIN_CALL_LOG);
	EXPECT_IS(r.result, 6);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "", 0), 0);
	bool submitted = false, completed = false;
	do {
		last = r.at_ns;
		r = next(w, t);
		EXPECT(r.at_ns >= last);
		submitted |= r.kind == CASSIN_TRACE_SUBMIT && r.number == CASSIN_OP_CONSOLE_READ && r.len == 64;
		completed |= r.kind == CASSIN_TRACE_COMPLETE && r.number == CASSIN_OP_CONSOLE_READ && !r.result;
	} while (r.kind != CASSIN_TRACE_END);
	EXPECT(submitted);
	EXPECT(completed);
	expect(&r, CASSIN_TRACE_END, CASSIN_TRACE_EXITED);
	EXPECT_IS(r.result, 0);
	cassin_engine_trace_stop(t);
	expect_exit(w, id, 0, 0);
}

static void counts_what_it_loses(struct world *w, const struct test *test)
{
	uint64_t id = spawn(w, "g", "hog", "call"), lost = 0;
	static struct cassin_trace_record all[CASSIN_TRACE_RECORDS_MAX + 1];
	(void)test;
	await_text(w, id, "spinning");
	struct cassin_trace *t = start(w, id);
	uint64_t from = status_of(w, id).counters.hypercalls, end = now_ns() + 20000 * MS * w->slow;
	while (status_of(w, id).counters.hypercalls < from + 2 * CASSIN_TRACE_RECORDS_MAX && now_ns() < end)
		sleep_ms(5);
	EXPECT_IS(cassin_engine_trace_read(t, all, CASSIN_TRACE_RECORDS_MAX + 1, &lost), CASSIN_TRACE_RECORDS_MAX);
	EXPECT(lost > 0);
	for (unsigned i = 1; i < CASSIN_TRACE_RECORDS_MAX; i++)
		EXPECT(all[i].kind == (all[i - 1].kind == CASSIN_TRACE_CALL ? CASSIN_TRACE_RETURN : CASSIN_TRACE_CALL));
	cassin_engine_trace_stop(t);
	EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
}

static void follows_a_restart(struct world *w, const struct test *test)
{
	struct cassin_guest_spec s = spec_of(w, "g", "life", "recover");
	(void)test;
	s.restart = CASSIN_RESTART_ON_FAILURE;
	uint64_t id = spawn_spec(w, &s);
	struct cassin_trace *t = start(w, id);
	struct cassin_trace_record r;
	int crashed = 0;
	do {
		r = next(w, t);
		crashed += r.kind == CASSIN_TRACE_END && r.number == CASSIN_TRACE_CRASHED;
	} while (r.kind != CASSIN_TRACE_END || r.result);
	EXPECT_IS(crashed, 1);
	expect(&r, CASSIN_TRACE_END, CASSIN_TRACE_EXITED);
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	cassin_engine_trace_stop(t);
}

/* Numbers that nobody knows, and text that cannot be read. */
static void survives_any_call(struct world *w, const struct test *test)
{
	uint64_t id, lost, n = 0;
	struct cassin_trace_record r;
	(void)test;
	id = spawn(w, "g", "pointers", "calls");
	struct cassin_trace *t = start(w, id);
	while (status_of(w, id).state == CASSIN_GUEST_RUNNING)
		while (cassin_engine_trace_read(t, &r, 1, &lost))
			n++;
	EXPECT(n);
	expect_exit(w, id, 0, 0);
	cassin_engine_trace_stop(t);
}

/* A run of user code is one call, however often it is put aside, and its result is the reason. */
static void tells_user_runs(struct world *w, const struct test *test)
{
	uint64_t id = spawn(w, "g", "user-time", "turns 20");
	struct cassin_trace *t = start(w, id);
	struct cassin_trace_record r;
	unsigned runs = 0;
	bool within = false;
	(void)test;
	while ((r = next(w, t)).kind != CASSIN_TRACE_END) {
		if (r.number != CASSIN_CALL_USER_RUN ||
		    (r.kind != CASSIN_TRACE_CALL && r.kind != CASSIN_TRACE_RETURN)) {
			EXPECT(!within);
			continue;
		}
		EXPECT(r.kind == CASSIN_TRACE_CALL || within || !runs);
		EXPECT(r.kind == CASSIN_TRACE_CALL || (r.result >= CASSIN_USER_CALL && r.result <= CASSIN_USER_EVENT));
		within = r.kind == CASSIN_TRACE_CALL;
		runs++;
	}
	EXPECT(runs > 10);
	cassin_engine_trace_stop(t);
	expect_exit(w, id, 0, 0);
}

#define TRACE(what, fn)                                                                                                \
	{                                                                                                              \
		.name = "trace." what, .run = fn                                                                       \
	}

const struct test tests_trace[] = {
	TRACE("tells-calls-and-operations", tells_calls_and_operations),
	TRACE("counts-what-it-loses", counts_what_it_loses),
	TRACE("follows-a-restart", follows_a_restart),
	TRACE("survives-any-call", survives_any_call),
	TRACE("tells-user-runs", tells_user_runs),
	{0},
};
