/* SPDX-License-Identifier: MIT */
/* What takes long for a large guest is done in pieces: others run in between, its cap and share hold, and whatever else may be
 * wanted of it comes between two of them. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner.h"

/* The guest may compute a tenth of the time, so that there is time between its pieces, for others and for the tests. */
static uint64_t spawn_large(struct world *w, const char *args, bool capped)
{
	struct cassin_guest_spec s = spec_of(w, "large", "park", args);
	s.memory = UINT64_C(64) << 20;
	if (capped) {
		s.cpu_quota_us = 1000;
		s.cpu_period_us = 10000;
	}
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

static uint64_t parked_large(struct world *w, bool capped)
{
	uint64_t id = spawn_large(w, "large", capped);
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
	uint64_t id = parked_large(w, true);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "x\n", 2), 2);
	await_half_awake(w, id);
	return id;
}

static void woken(struct world *w, const struct test *t)
{
	uint64_t id = parked_large(w, true), hog = spawn(w, "hog", "hog", "spin");
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
	EXPECT(more.counters.work_ns > some.counters.work_ns);
	EXPECT(some.counters.work_ns > asleep.counters.work_ns);
	EXPECT(status_of(w, hog).counters.dispatches > turns);
	await_text(w, id, "waiting 1");
	EXPECT(!status_of(w, id).parked);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, NULL, 0), 0);
	expect_exit(w, id, 0, 20);
}

static void woken_by_all(struct world *w, const struct test *t)
{
	uint64_t id = spawn_large(w, "serve-large", true);
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
	EXPECT_IS(cassin_engine_guest_stop(w->e, id, 10000 * MS), 0); /* end of input */
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
	cassin_engine_destroy(w->e);
	w->e = NULL;
}

/* The pool is used up by others in the middle. */
static void no_memory_half_awake(struct world *w, const struct test *t)
{
	uint64_t id = half_awake(w);
	struct cassin_error_text err;
	(void)t;
	for (int n = 0; n < 8; n++) {
		char name[32];
		uint64_t other;
		snprintf(name, sizeof name, "other%d", n);
		struct cassin_guest_spec s = spec_of(w, name, "park", "large");
		s.memory = UINT64_C(64) << 20;
		int r = cassin_engine_guest_spawn(w->e, &s, &other, &err);
		cassin_spec_free(&s);
		if (r)
			break;
	}
	expect_crash(w, id, "pool exhausted");
}

const struct test tests_pieces[] = {
	{.name = "pieces.woken", .run = woken, .workers = 1, .seconds = 60},
	{.name = "pieces.woken-by-all", .run = woken_by_all, .workers = 1, .seconds = 60},
	{.name = "pieces.killed-half-awake", .run = killed_half_awake, .seconds = 90},
	{.name = "pieces.killed-half-awake-one-worker", .run = killed_half_awake, .workers = 1, .seconds = 90},
	{.name = "pieces.destroyed-half-awake", .run = destroyed_half_awake, .seconds = 60},
	{.name = "pieces.no-memory-half-awake", .run = no_memory_half_awake, .pool = UINT64_C(80) << 20, .seconds = 60},
	{0},
};
