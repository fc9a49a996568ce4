/* SPDX-License-Identifier: MIT */
/* What takes long for a large guest is done in pieces: others run in between, its cap and share hold, and whatever else may be
 * wanted of it comes between two of them. */
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engines.h"

/* The guest may compute 1 ms of each so many, so that there is time between its pieces, for others and for the tests; more of them on
 * a host that is so much slower. */
static uint64_t spawn_large(struct world *w, const char *args, unsigned each_ms)
{
	struct cassin_guest_spec s = spec_of(w, "large", "park", args);
	s.memory = UINT64_C(64) << 20;
	s.cpu_quota_us = 1000;
	s.cpu_period_us = each_ms / (w->slow < each_ms ? w->slow : each_ms) * 1000;
	return spawn_spec(w, &s);
}

static void park(struct world *w, uint64_t id)
{
	int r;
	for (int i = 0; (r = cassin_engine_guest_park(w->e, id)) == -EBUSY && i < 1000; i++)
		sleep_ms(2);
	EXPECT_IS(r, 0);
	EXPECT(status_of(w, id).parked);
}

static uint64_t parked_large(struct world *w, unsigned each_ms)
{
	uint64_t id = spawn_large(w, "large", each_ms);
	await_text(w, id, "waiting 0");
	park(w, id);
	return id;
}

/* Some of its memory is there, and it has not run. */
static struct cassin_guest_status await_half_awake(struct world *w, uint64_t id)
{
	struct cassin_guest_status s;
	uint64_t end = now_ns() + 20000 * MS * w->slow;
	do
		s = status_of(w, id);
	while (!s.counters.frames && now_ns() < end);
	EXPECT(s.parked);
	EXPECT(s.counters.frames > 0 && s.counters.frames < 8192);
	return s;
}

static uint64_t half_awake(struct world *w)
{
	uint64_t id = parked_large(w, 10);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "x\n", 2), 2);
	await_half_awake(w, id);
	return id;
}

static void woken(struct world *w, const struct test *t)
{
	uint64_t id = parked_large(w, 40), hog = spawn(w, "hog", "hog", "spin");
	struct cassin_guest_status asleep = status_of(w, id);
	(void)t;
	await_text(w, hog, "spinning");
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "x\n", 2), 2);
	struct cassin_guest_status some = await_half_awake(w, id), more = some;
	uint64_t turns = status_of(w, hog).counters.dispatches;
	while (more.counters.frames == some.counters.frames)
		more = status_of(w, id);
	EXPECT(more.parked);
	EXPECT(more.counters.frames < 8192);
	EXPECT_IS(more.counters.dispatches, asleep.counters.dispatches);
	while (more.parked && more.counters.work_ns == some.counters.work_ns)
		more = status_of(w, id); /* what it took is charged behind each turn, its frames are counted before */
	EXPECT(more.counters.work_ns > some.counters.work_ns);
	EXPECT(some.counters.work_ns > asleep.counters.work_ns);
	EXPECT(status_of(w, hog).counters.dispatches > turns);
	uint64_t end = now_ns() + 50000 * MS * w->slow; /* it has its share of the worker only */
	while (status_of(w, id).parked && now_ns() < end)
		sleep_ms(10);
	await_text(w, id, "waiting 1");
	EXPECT(!status_of(w, id).parked);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, NULL, 0), 0);
	expect_exit(w, id, 0, 20);
}

static void woken_by_all(struct world *w, const struct test *t)
{
	uint64_t id = spawn_large(w, "serve-large", 10);
	(void)t;
	for (int round = 0; round < 3; round++) {
		char text[32];
		int ends[2];
		EXPECT_IS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
		snprintf(text, sizeof text, "accepting %d", round);
		await_text(w, id, text);
		park(w, id);
		EXPECT_IS(cassin_engine_guest_connect(w->e, id, 7, ends[1]), 0);
		if (round == 1) /* comes in the middle */
			EXPECT_IS(write(ends[0], "hello", 5), 5);
		snprintf(text, sizeof text, "receiving %d", round);
		await_text(w, id, text);
		if (round != 1) {
			park(w, id);
			EXPECT_IS(write(ends[0], "hello", 5), 5);
		}
		snprintf(text, sizeof text, "reading %d", round);
		await_text(w, id, text);
		park(w, id);
		EXPECT_IS(cassin_engine_guest_input(w->e, id, "x\n", 2), 2);
		close(ends[0]);
	}
	expect_exit(w, id, 0, 20);
}

static void killed_half_awake(struct world *w, const struct test *t)
{
	struct cassin_error_text err;
	(void)t;
	uint64_t id = half_awake(w);
	EXPECT_IS(cassin_engine_guest_park(w->e, id), -EBUSY);
	EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
	struct cassin_guest_status s = status_of(w, id);
	EXPECT_IS(s.state, CASSIN_GUEST_KILLED);
	EXPECT_IS(s.counters.frames + s.counters.table_frames, 0);
	EXPECT_IS(stats_of(w).parked, 0);
	EXPECT_IS(cassin_engine_guest_restart(w->e, id, &err), 0);
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	id = half_awake(w);
	EXPECT_IS(cassin_engine_guest_restart(w->e, id, &err), 0);
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	id = half_awake(w);
	EXPECT_IS(cassin_engine_guest_stop(w->e, id, 10000 * MS * w->slow), 0); /* end of input */
	expect_exit(w, id, 0, 20);
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	id = half_awake(w);
	EXPECT_IS(cassin_engine_guest_stop(w->e, id, 0), 0);
	EXPECT_IS(await_state(w, id, CASSIN_GUEST_KILLED).exit_code, 137);
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	EXPECT_IS(cassin_engine_guest_remove(w->e, half_awake(w)), 0);
	expect_balance(w);
}

static void destroyed_half_awake(struct world *w, const struct test *t)
{
	(void)t;
	half_awake(w);
	engine_end(w);
}

/* The pool is used up by others in the middle: it has the room that its parked bytes had, and waits for the rest. */
static void no_memory_half_awake(struct world *w, const struct test *t)
{
	uint64_t id = half_awake(w), others[8];
	struct cassin_error_text err;
	int n = 0;
	(void)t;
	for (int r = 0; n < 8 && !r; n += !r) {
		char name[32];
		snprintf(name, sizeof name, "other%d", n);
		struct cassin_guest_spec s = spec_of(w, name, "park", "large");
		s.memory = UINT64_C(64) << 20;
		r = cassin_engine_guest_spawn(w->e, &s, &others[n], &err);
		cassin_spec_free(&s);
	}
	EXPECT(n > 1);
	uint64_t end = now_ns() + 8000 * MS * w->slow;
	while (!stats_of(w).needing_memory && now_ns() < end)
		sleep_ms(1);
	EXPECT(stats_of(w).needing_memory > 0);
	for (int i = 0; i < n; i++)
		EXPECT_IS(cassin_engine_guest_remove(w->e, others[i]), 0);
	await_text(w, id, "waiting 1");
}

/* ---- Thousands of handles ---- */

static uint64_t spawn_handles(struct world *w, const char *name, const char *args, enum cassin_guest_restart restart)
{
	struct cassin_guest_spec s = spec_of(w, name, "handles", args);
	s.memory = UINT64_C(16) << 20;
	s.streams = 16384;
	s.restart = restart;
	return spawn_spec(w, &s);
}

/* Others have turns while it ends, and it pays: by its own exit, and killed. */
static void ended_with_handles(struct world *w, const struct test *t)
{
	uint64_t id = spawn_handles(w, "handles", "wait 8000", CASSIN_RESTART_NO);
	(void)t;
	await_text(w, id, "open");
	uint64_t hog = spawn(w, "hog", "hog", "spin");
	await_text(w, hog, "spinning");
	sleep_ms(20);
	uint64_t turns = status_of(w, hog).counters.dispatches, paid = status_of(w, id).counters.work_ns;
	EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
	EXPECT(status_of(w, hog).counters.dispatches >= turns + 3);
	EXPECT(status_of(w, id).counters.work_ns > paid);
	struct cassin_guest_status s = status_of(w, id);
	EXPECT_IS(s.state, CASSIN_GUEST_KILLED);
	EXPECT_IS(s.memory.streams + s.memory.operations, 0);
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	EXPECT_IS(cassin_engine_guest_remove(w->e, hog), 0);
	id = spawn_handles(w, "handles", "exit 2000", CASSIN_RESTART_NO);
	await_text(w, id, "open");
	expect_exit(w, id, 5, 10);
}

struct caller {
	struct world *world;
	uint64_t id;
	int how, result;
};

static void *call_it(void *opaque)
{
	struct caller *c = opaque;
	struct cassin_engine *e = c->world->e;
	struct cassin_error_text err;
	int ends[2];
	switch (c->how) {
	case 0:
		c->result = cassin_engine_guest_kill(e, c->id);
		break;
	case 1:
		c->result = cassin_engine_guest_restart(e, c->id, &err);
		break;
	case 2:
		c->result = cassin_engine_guest_remove(e, c->id);
		break;
	case 3:
		c->result = cassin_engine_guest_stop(e, c->id, 0);
		break;
	case 4:
		EXPECT_IS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
		c->result = cassin_engine_guest_connect(e, c->id, 7, ends[1]);
		close(ends[0]);
		break;
	default:
		c->result = (int)cassin_engine_guest_input(e, c->id, "x", 1);
		break;
	}
	return NULL;
}

#define WAYS 6

/* Whatever is asked of it while it ends waits, and finds it ended, or gone. Every pair of calls, the second in the middle of what the
 * first has begun. */
static void called_while_it_ends(struct world *w, const struct test *t)
{
	(void)t;
	for (int first = 0; first < 3; first++) {
		for (int second = 0; second < WAYS; second++) {
			uint64_t id = spawn_handles(w, "handles", "hog 3000", CASSIN_RESTART_NO);
			struct caller callers[2] = {{w, id, first, -1}, {w, id, second, -1}};
			pthread_t threads[2];
			await_text(w, id, "open");
			for (int i = 0; i < 2; i++) {
				EXPECT_IS(pthread_create(&threads[i], NULL, call_it, &callers[i]), 0);
				sleep_ms(1);
			}
			for (int i = 0; i < 2; i++)
				pthread_join(threads[i], NULL);
			EXPECT(callers[0].result == 0 || (second == 2 && callers[0].result == -ENOENT));
			EXPECT(callers[1].result != -1);
			cassin_engine_guest_remove(w->e, id);
			struct cassin_error_text err;
			EXPECT_IS(cassin_engine_guest_restart(w->e, id, &err), -ENOENT);
		}
	}
	expect_balance(w);
}

/* It comes again by its policy, as often as it ends; and is removed or destroyed in the middle of that. */
static void restarted_with_handles(struct world *w, const struct test *t)
{
	uint64_t id = spawn_handles(w, "handles", "exit 2000", CASSIN_RESTART_ALWAYS);
	uint64_t end = now_ns() + 30000 * MS * w->slow;
	(void)t;
	while (status_of(w, id).restarts < 3 && now_ns() < end)
		sleep_ms(5);
	EXPECT(status_of(w, id).restarts >= 3);
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	expect_balance(w);
	id = spawn_handles(w, "handles", "exit 4000", CASSIN_RESTART_NO);
	await_text(w, id, "open");
	engine_end(w);
}

/* It moves between workers that others use, too, with all that waits: nothing is lost. Calls in the middle of a move find it where it
 * arrives. */
static void moved_with_handles(struct world *w, const struct test *t)
{
	uint64_t moves = 0;
	(void)t;
	for (int round = 0; round < 12; round++) {
		bool killed = round % 4;
		uint64_t hogs[3], id = spawn_handles(w, "handles", killed ? "hog 500" : "spin 2000", CASSIN_RESTART_NO);
		await_text(w, id, "open");
		uint64_t before = stats_of(w).moves;
		for (int i = 0; i < 3; i++) {
			char name[32];
			snprintf(name, sizeof name, "hog%d", i);
			hogs[i] = spawn(w, name, "hog", "spin");
		}
		if (killed) {
			sleep_ms((uint64_t)round * 3);
			EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
		} else {
			expect_exit(w, id, 0, 60);
		}
		moves += stats_of(w).moves - before;
		EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
		for (int i = 0; i < 3; i++)
			EXPECT_IS(cassin_engine_guest_remove(w->e, hogs[i]), 0);
	}
	EXPECT(moves > 0);
	expect_balance(w);
}

/* ---- Templates ---- */

/* A large one is frozen in pieces, beside a guest that computes, and its clones have all that it had. */
static void frozen_large(struct world *w, const struct test *t)
{
	uint64_t hog = spawn(w, "hog", "hog", "spin");
	struct cassin_error_text err = {0};
	struct cassin_template_status made;
	(void)t;
	await_text(w, hog, "spinning");
	struct cassin_guest_spec s = spec_of(w, "tmpl", "park", "large-template");
	s.memory = UINT64_C(64) << 20;
	EXPECT_IS(cassin_engine_template_create(w->e, &s, 60000 * MS, &made, &err), 0);
	cassin_spec_free(&s);
	EXPECT(made.pages >= 8192);
	cassin_spec_init(&s);
	s.name = strdup("clone");
	s.from_template = strdup("tmpl");
	uint64_t id = spawn_spec(w, &s);
	expect_exit(w, id, 0, 20);
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	EXPECT_IS(cassin_engine_guest_remove(w->e, hog), 0);
	EXPECT_IS(cassin_engine_template_remove(w->e, "tmpl"), 0);
}

/* A clone begins again in pieces, by its policy, by hand, and with other calls in the middle. */
static void restarted_wide(struct world *w, const struct test *t)
{
	struct cassin_error_text err = {0};
	(void)t;
	struct cassin_guest_spec s = spec_of(w, "tmpl", "park", "wide-template");
	s.memory = UINT64_C(64) << 20;
	EXPECT_IS(cassin_engine_template_create(w->e, &s, 60000 * MS, NULL, &err), 0);
	cassin_spec_free(&s);
	for (int second = 0; second < WAYS; second++) {
		cassin_spec_init(&s);
		s.name = strdup("clone");
		s.from_template = strdup("tmpl");
		s.restart = CASSIN_RESTART_ALWAYS;
		uint64_t id = spawn_spec(w, &s), end = now_ns() + 10000 * MS * w->slow;
		while (status_of(w, id).restarts < 2 && now_ns() < end)
			sleep_ms(2);
		EXPECT(status_of(w, id).restarts >= 2);
		struct caller callers[2] = {{w, id, 1, -1}, {w, id, second, -1}};
		pthread_t threads[2];
		for (int i = 0; i < 2; i++)
			EXPECT_IS(pthread_create(&threads[i], NULL, call_it, &callers[i]), 0);
		for (int i = 0; i < 2; i++)
			pthread_join(threads[i], NULL);
		EXPECT(callers[0].result == 0 || (second == 2 && callers[0].result == -ENOENT));
		EXPECT_IS(stats_of(w).crashes, 0);
		if (second != 2)
			EXPECT(!strstr(console_of(w, id), "park.c:"));
		cassin_engine_guest_remove(w->e, id);
	}
	EXPECT_IS(cassin_engine_template_remove(w->e, "tmpl"), 0);
	expect_balance(w);
}

const struct test tests_pieces[] = {
	{.name = "pieces.restarted-wide", .run = restarted_wide, .workers = 1, .seconds = 90},
	{.name = "pieces.restarted-wide-two-workers", .run = restarted_wide, .seconds = 90},
	{.name = "pieces.ended-with-handles", .run = ended_with_handles, .workers = 1, .seconds = 60, .heavy = true},
	{.name = "pieces.called-while-it-ends",
	 .run = called_while_it_ends,
	 .workers = 1,
	 .seconds = 120,
	 .heavy = true},
	{.name = "pieces.called-while-it-ends-two-workers", .run = called_while_it_ends, .seconds = 120, .heavy = true},
	{.name = "pieces.restarted-with-handles", .run = restarted_with_handles, .seconds = 90, .heavy = true},
	{.name = "pieces.moved-with-handles", .run = moved_with_handles, .seconds = 120, .heavy = true},
	{.name = "pieces.frozen-large", .run = frozen_large, .workers = 1, .seconds = 90, .heavy = true},
	{.name = "pieces.woken", .run = woken, .workers = 1, .seconds = 120, .heavy = true},
	{.name = "pieces.woken-by-all", .run = woken_by_all, .workers = 1, .seconds = 60, .heavy = true},
	{.name = "pieces.killed-half-awake", .run = killed_half_awake, .seconds = 90, .heavy = true},
	{.name = "pieces.killed-half-awake-one-worker",
	 .run = killed_half_awake,
	 .workers = 1,
	 .seconds = 90,
	 .heavy = true},
	{.name = "pieces.destroyed-half-awake", .run = destroyed_half_awake, .seconds = 60, .heavy = true},
	{.name = "pieces.no-memory-half-awake",
	 .run = no_memory_half_awake,
	 .pool = UINT64_C(80) << 20,
	 .seconds = 60,
	 .heavy = true},
	{0},
};
