/* SPDX-License-Identifier: MIT */
/* Traced guests: every call and operation is reported, in order, and what is not read in time is counted. */
#include <cassin/abi.h>
#include <cassin/trace.h>
#include <errno.h>

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
	bool running = true;
	while (running) {
		running = status_of(w, id).state ==
			  CASSIN_GUEST_RUNNING; /* what it did before its end is read after it */
		while (cassin_engine_trace_read(t, &r, 1, &lost))
			n++;
	}
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

/* ---- From the first instruction ---- */

static struct cassin_trace *spawn_traced(struct world *w, struct cassin_guest_spec *s, uint64_t *id)
{
	struct cassin_error_text err;
	struct cassin_trace *t;
	if (cassin_engine_trace_spawn(w->e, s, id, &t, &err))
		fail("%s", err.text);
	cassin_spec_free(s);
	return t;
}

/* All of a life that is short: the first call is the first record, and each call that the guest has made is there. */
static void from_the_first_instruction(struct world *w, const struct test *test)
{
	struct cassin_guest_spec s = spec_of(w, "g", "hello", NULL);
	struct cassin_trace_record r;
	uint64_t id, calls = 0;
	struct cassin_trace *t = spawn_traced(w, &s, &id);
	(void)test;
	while ((r = next(w, t)).kind != CASSIN_TRACE_END)
		calls += r.kind == CASSIN_TRACE_CALL;
	EXPECT(calls > 0);
	EXPECT_IS(calls, status_of(w, id).counters.hypercalls);
	expect(&r, CASSIN_TRACE_END, CASSIN_TRACE_EXITED);
	cassin_engine_trace_stop(t);
}

/* Nobody reads it at first: it waits for its one reader, also behind the guest's end, and goes with the guest. What it holds is on the
 * guest's account, but takes none of a small guest's room. */
static void waits_for_its_reader(struct world *w, const struct test *test)
{
	struct cassin_guest_spec s = spec_of(w, "g", "hello", NULL);
	struct cassin_error_text err;
	struct cassin_trace *t, *other;
	uint64_t id, calls = 0;
	(void)test;
	s.memory = 128 << 10;
	for (int round = 0; round < 2; round++) {
		EXPECT_IS(cassin_engine_trace_spawn(w->e, &s, &id, NULL, &err), 0);
		expect_exit(w, id, 0, 0);
		struct cassin_guest_status is = status_of(w, id);
		EXPECT(is.traced && is.memory.traces > 512 << 10);
		if (!round)
			EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0); /* and it was never read */
	}
	t = start(w, id);
	EXPECT_IS(cassin_engine_trace_start(w->e, id, &other), -EBUSY);
	struct cassin_trace_record r = next(w, t);
	EXPECT_IS(r.kind, CASSIN_TRACE_CALL);
	for (; r.kind != CASSIN_TRACE_END; r = next(w, t))
		calls += r.kind == CASSIN_TRACE_CALL;
	EXPECT_IS(calls, status_of(w, id).counters.hypercalls);
	cassin_engine_trace_stop(t);
	EXPECT(!status_of(w, id).traced);
	EXPECT_IS(status_of(w, id).memory.traces, 0);
	expect_balance(w);
	cassin_spec_free(&s);
}

/* What nobody reads is bounded, whatever the guest does: the last records stay, the others are counted. */
static void unread_is_bounded(struct world *w, const struct test *test)
{
	struct cassin_guest_spec s = spec_of(w, "g", "hog", "call");
	struct cassin_error_text err;
	static struct cassin_trace_record all[CASSIN_TRACE_RECORDS_MAX + 1];
	uint64_t id, lost = 0;
	(void)test;
	EXPECT_IS(cassin_engine_trace_spawn(w->e, &s, &id, NULL, &err), 0);
	cassin_spec_free(&s);
	await_text(w, id, "spinning");
	uint64_t traces = status_of(w, id).memory.traces;
	while (status_of(w, id).counters.hypercalls < 3 * CASSIN_TRACE_RECORDS_MAX)
		sleep_ms(5);
	EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
	EXPECT_IS(status_of(w, id).memory.traces, traces);
	struct cassin_trace *t = start(w, id);
	EXPECT_IS(cassin_engine_trace_read(t, all, CASSIN_TRACE_RECORDS_MAX + 1, &lost), CASSIN_TRACE_RECORDS_MAX);
	EXPECT(lost > CASSIN_TRACE_RECORDS_MAX);
	expect(&all[CASSIN_TRACE_RECORDS_MAX - 1], CASSIN_TRACE_END, CASSIN_TRACE_KILLED);
	cassin_engine_trace_stop(t);
}

/* No room for the trace: no guest either, and nothing is left of it. */
static void no_room_for_it(struct world *w, const struct test *test)
{
	struct cassin_guest_spec s = spec_of(w, "g", "life", "wait");
	struct cassin_error_text err = {{0}};
	uint64_t id;
	int r, n = 0;
	(void)test;
	do {
		char name[16];
		snprintf(name, sizeof name, "g%d", n++);
		free(s.name);
		s.name = strdup(name);
		r = cassin_engine_trace_spawn(w->e, &s, &id, NULL, &err);
	} while (!r && n < 1000);
	EXPECT_IS(r, -ENOMEM);
	expect_says("the error", err.text, "no memory: the pool of 32 MiB is exhausted|traces ");
	EXPECT_IS(cassin_engine_guest_find(w->e, s.name, &id), -ENOENT);
	cassin_spec_free(&s);
	expect_balance(w);
}

/* A clone that waits does so in a call, and with operations, that its template began. */
static void of_a_clone(struct world *w, const struct test *test)
{
	struct cassin_error_text err = {{0}};
	struct cassin_guest_spec s = spec_of(w, "mould", "ports", "obeys r 0");
	uint64_t id;
	(void)test;
	EXPECT_IS(cassin_engine_template_create(w->e, &s, 50 * 1000 * MS, NULL, &err), 0);
	cassin_spec_free(&s);
	s = spec_of(w, "g", "ports", NULL);
	free(s.image);
	s.image = NULL;
	s.from_template = strdup("mould");
	struct cassin_trace *t = spawn_traced(w, &s, &id);
	struct cassin_trace_record r = next(w, t);
	expect(&r, CASSIN_TRACE_CALL, CASSIN_CALL_ENTER);
	r = next(w, t);
	expect(&r, CASSIN_TRACE_SUBMIT, CASSIN_OP_CONSOLE_READ);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "l", 1), 1);
	r = next(w, t);
	expect(&r, CASSIN_TRACE_COMPLETE, CASSIN_OP_CONSOLE_READ);
	r = next(w, t);
	expect(&r, CASSIN_TRACE_RETURN, CASSIN_CALL_ENTER);
	cassin_engine_trace_stop(t);
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	EXPECT_IS(cassin_engine_template_remove(w->e, "mould"), 0);
}

/* Of a fault of user code: where it was, which, and the address. */
static void tells_faults_of_users(struct world *w, const struct test *test)
{
	struct cassin_guest_spec s = spec_of(w, "g", "user-faults", "faults");
	struct cassin_trace_record r;
	uint64_t id;
	struct cassin_trace *t = spawn_traced(w, &s, &id);
	unsigned jumps = 0, writes = 0, divisions = 0;
	(void)test;
	while ((r = next(w, t)).kind != CASSIN_TRACE_END) {
		const uint64_t *a = r.args;
		if (r.kind != CASSIN_TRACE_RETURN || r.number != CASSIN_CALL_USER_RUN || r.result != CASSIN_USER_FAULT)
			continue;
		jumps += a[CASSIN_TRACE_USER_VECTOR] == 14 && a[CASSIN_TRACE_USER_ERROR] == CASSIN_EXEC &&
			 a[CASSIN_TRACE_USER_ADDRESS] == 0x600000 && a[CASSIN_TRACE_USER_RIP] == 0x600000;
		writes += a[CASSIN_TRACE_USER_VECTOR] == 14 && a[CASSIN_TRACE_USER_ERROR] == CASSIN_WRITE &&
			  a[CASSIN_TRACE_USER_ADDRESS] == 0x600000 && a[CASSIN_TRACE_USER_RIP] == 0x400000;
		divisions += a[CASSIN_TRACE_USER_VECTOR] == 0 && !a[CASSIN_TRACE_USER_ADDRESS];
	}
	EXPECT_IS(jumps, 1);
	EXPECT_IS(writes, 1);
	EXPECT(divisions >= 1);
	cassin_engine_trace_stop(t);
	expect_exit(w, id, 0, 0);
}

static void tells_upcalls(struct world *w, const struct test *test)
{
	struct cassin_guest_spec s = spec_of(w, "g", "upcall", "timer");
	struct cassin_trace_record r;
	uint64_t id;
	struct cassin_trace *t = spawn_traced(w, &s, &id);
	unsigned upcalls = 0;
	(void)test;
	while ((r = next(w, t)).kind != CASSIN_TRACE_END) {
		if (r.kind != CASSIN_TRACE_UPCALL)
			continue;
		upcalls++;
		EXPECT_IS(r.args[CASSIN_TRACE_UPCALL_EVENTS], CASSIN_EVENT_TIMER);
		EXPECT(r.args[CASSIN_TRACE_UPCALL_RIP] && r.args[CASSIN_TRACE_UPCALL_FRAME]);
	}
	EXPECT_IS(upcalls, 2);
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
	TRACE("from-the-first-instruction", from_the_first_instruction),
	TRACE("waits-for-its-reader", waits_for_its_reader),
	TRACE("unread-is-bounded", unread_is_bounded),
	{.name = "trace.no-room-for-it", .run = no_room_for_it, .pool = UINT64_C(32) << 20},
	TRACE("of-a-clone", of_a_clone),
	TRACE("tells-faults-of-users", tells_faults_of_users),
	TRACE("tells-upcalls", tells_upcalls),
	{0},
};
