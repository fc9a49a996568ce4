/* SPDX-License-Identifier: MIT */
/* The pool is full: who needs memory waits for it, and loses nothing. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "engines.h"

static uint64_t spawn_in(struct world *w, const char *domain, const char *name, const char *image, const char *args)
{
	struct cassin_guest_spec s = spec_of(w, name, image, args);
	free(s.domain);
	s.domain = strdup(domain);
	s.memory = UINT64_C(64) << 20;
	return spawn_spec(w, &s);
}

static void await_need(struct world *w, uint64_t id)
{
	uint64_t end = now_ns() + 8000 * MS * w->slow;
	struct cassin_guest_status s;
	do
		s = status_of(w, id);
	while (!s.needs_memory && s.state == CASSIN_GUEST_RUNNING && now_ns() < end);
	EXPECT_IS(s.state, CASSIN_GUEST_RUNNING);
	EXPECT(s.needs_memory);
}

/* Uses the pool up, and waits for more. */
static uint64_t eater(struct world *w)
{
	uint64_t id = spawn_in(w, "default", "eater", "memory", "eat");
	await_need(w, id);
	return id;
}

static void feed(struct world *w, uint64_t id)
{
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "x\n", 2), 2);
}

/* Frees what the eater has: not by a kill alone, for its restart would be another. */
static void make_room(struct world *w, uint64_t id)
{
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
}

/* Both wait, and stay so: where a process that one has lent the other has less to map, a few pages come free first. */
static void await_standstill(struct world *w, uint64_t id)
{
	uint64_t end = now_ns() + 8000 * MS * w->slow, turns = 0, now = 1;
	while (turns != now || stats_of(w).needing_memory != 2) {
		EXPECT(now_ns() < end);
		turns = now;
		sleep_ms(100);
		now = status_of(w, id).counters.dispatches;
	}
}

/* Whatever the guest is at (t->args) goes on when there is memory, with its result. */
static void goes_on(struct world *w, const struct test *t)
{
	uint64_t id = spawn_in(w, "default", "g", "want", t->args);
	await_text(w, id, "waiting");
	uint64_t full = eater(w);
	feed(w, id);
	await_need(w, id);
	await_standstill(w, id);
	make_room(w, full);
	expect_exit(w, id, 0, 10);
	expect_says("the console", console_of(w, id), t->says);
	EXPECT_IS(stats_of(w).needing_memory, 0);
	EXPECT(stats_of(w).memory_waits >= 2);
}

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 31 + (at >> 8) * 7 + 1);
}

/* Bytes that a peer has sent, and what the guest sends, arrive whole. */
static void streams(struct world *w, const struct test *t)
{
	static uint8_t bytes[48 * 4096];
	uint64_t id = spawn_in(w, "default", "g", "want", "streams");
	size_t sent = 0, got = 0;
	int ends[2];
	(void)t;
	await_text(w, id, "accepting");
	EXPECT_IS(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0);
	EXPECT_IS(cassin_engine_guest_connect(w->e, id, 7, ends[1]), 0);
	await_text(w, id, "receiving");
	uint64_t full = eater(w);
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = pattern(i);
	for (uint64_t end = now_ns() + 10000 * MS * w->slow; got < sizeof bytes && now_ns() < end;) {
		ssize_t n = sent < sizeof bytes ? write(ends[0], bytes + sent, sizeof bytes - sent) : 0;
		if (n > 0)
			sent += (size_t)n;
		if (full && sent) {
			await_need(w, id);
			make_room(w, full);
			full = 0;
		}
		n = read(ends[0], bytes + got, sizeof bytes - got);
		if (n > 0)
			got += (size_t)n;
		else
			sleep_ms(1);
	}
	EXPECT_IS(got, sizeof bytes);
	expect_exit(w, id, 0, 10);
	close(ends[0]);
}

/* Parked memory that has no room to wake stays parked, and wakes later: what the input was for is answered then. */
static void woken(struct world *w, const struct test *t)
{
	uint64_t id = spawn_in(w, "default", "g", t->image, t->args);
	await_text(w, id, "waiting");
	for (int r = -EBUSY; r == -EBUSY; sleep_ms(2))
		r = cassin_engine_guest_park(w->e, id);
	uint64_t full = eater(w);
	feed(w, id);
	await_need(w, id);
	EXPECT(status_of(w, id).parked);
	EXPECT_IS(cassin_engine_guest_park(w->e, id), -EBUSY);
	make_room(w, full);
	await_text(w, id, t->says);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, NULL, 0), 0);
	expect_exit(w, id, 0, 20);
	EXPECT_IS(stats_of(w).needing_memory, 0);
}

/* Only after the stated time it ends, and says why and what to do. */
static void too_long(struct world *w, const struct test *t)
{
	uint64_t id = spawn_in(w, "default", "g", "want", "touch"), from = now_ns();
	(void)t;
	await_text(w, id, "waiting");
	struct cassin_engine_stats s = stats_of(w);
	uint64_t free = s.pool_frames - s.used_frames - s.host_frames;
	char args[32];
	/* It is shown up to 255 pages ahead of those, and then still has an operation to begin; 400 are to be touched. */
	snprintf(args, sizeof args, "eat %llu stay", (unsigned long long)(free - 300) * 4);
	uint64_t full = spawn_in(w, "default", "eater", "memory", args);
	await_text(w, full, "full");
	feed(w, id);
	expect_crash(w, id, "pool exhausted|it waited 0.3 s|pool of 16 MiB|cassind --pool");
	EXPECT(now_ns() - from >= 300 * MS);
	EXPECT_IS(status_of(w, full).state, CASSIN_GUEST_RUNNING);
	EXPECT_IS(stats_of(w).needing_memory, 0);
}

/* What is done to one that waits. */
static void ended(struct world *w, const struct test *t)
{
	struct cassin_error_text err;
	(void)t;
	for (int how = 0; how < 4; how++) {
		uint64_t id = spawn_in(w, "default", "g", "want", "touch");
		await_text(w, id, "waiting");
		uint64_t full = eater(w);
		feed(w, id);
		await_need(w, id);
		switch (how) {
		case 0:
			EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
			break;
		case 1:
			EXPECT_IS(cassin_engine_guest_stop(w->e, id, 0), 0);
			await_state(w, id, CASSIN_GUEST_KILLED);
			break;
		case 2:
			EXPECT_IS(cassin_engine_guest_restart(w->e, id, &err), -ENOMEM);
			break;
		default:
			break;
		}
		if (how < 3)
			EXPECT(!status_of(w, id).needs_memory);
		EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
		make_room(w, full);
		EXPECT_IS(stats_of(w).needing_memory, 0);
	}
	expect_balance(w);
}

/* What is kept for one that has waited long is kept from its own domain, which has the most of the pool, but not from another. */
static void domains(struct world *w, const struct test *t)
{
	struct cassin_error_text err;
	struct cassin_engine_stats s;
	char args[32];
	uint64_t id = spawn_in(w, "default", "g", "want", "sleep"), other;
	(void)t;
	await_text(w, id, "waiting");
	for (int r = -EBUSY; r == -EBUSY; sleep_ms(2))
		r = cassin_engine_guest_park(w->e, id);
	await_text(w, spawn_in(w, "theirs", "first", "life", "sleep"), "sleeping");
	s = stats_of(w);
	snprintf(args, sizeof args, "eat %llu stay",
		 (unsigned long long)(s.pool_frames - s.used_frames - s.host_frames - 700) * 4);
	uint64_t full = spawn_in(w, "default", "eater", "memory", args);
	await_text(w, full, "full");
	feed(w, id);
	await_need(w, id);
	sleep_ms(2500); /* half of the patience */
	struct cassin_guest_spec spec = spec_of(w, "ours", "hello", NULL);
	EXPECT_IS(cassin_engine_guest_spawn(w->e, &spec, &other, &err), -ENOMEM);
	cassin_spec_free(&spec);
	expect_exit(w, spawn_in(w, "theirs", "theirs", "hello", NULL), 0, 5);
	make_room(w, full);
	expect_exit(w, id, 0, 10);
}

/* A domain that has filled the pool and gives nothing back leaves room for a guest of another. */
static void spared(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t first = spawn_in(w, "theirs", "first", "life", "sleep");
	await_text(w, first, "sleeping");
	uint64_t greedy = spawn_in(w, "default", "greedy", "memory", "eat 65536 stay");
	await_need(w, greedy);
	struct cassin_engine_stats s = stats_of(w);
	EXPECT(s.pool_frames - s.used_frames - s.host_frames >= s.pool_frames / 20);
	expect_exit(w, spawn_in(w, "theirs", "modest", "hello", NULL), 0, 5);
	EXPECT_IS(status_of(w, greedy).state, CASSIN_GUEST_RUNNING);
	EXPECT_IS(cassin_engine_guest_remove(w->e, first), 0);
	EXPECT_IS(cassin_engine_guest_remove(w->e, greedy), 0);
}

/* Spawns that wait have a turn as the guests that wait: they get nothing that is kept for these, and are not passed for ever. */
static void spawns(struct world *w, const struct test *t)
{
	struct cassin_error_text err;
	struct cassin_place *place;
	struct cassin_guest_spec spec = spec_of(w, "late", "hello", NULL);
	uint64_t id = spawn_in(w, "default", "g", "want", "touch"), late;
	(void)t;
	await_text(w, id, "waiting");
	uint64_t full = eater(w);
	EXPECT_IS(cassin_engine_place_take(w->e, NULL, &place), 0);
	EXPECT(cassin_engine_place_begin(place));
	int r = cassin_engine_guest_spawn(w->e, &spec, &late, &err);
	EXPECT_IS(r, -ENOMEM);
	cassin_engine_place_end(place, r);
	EXPECT(!cassin_engine_place_begin(place)); /* it waits */
	feed(w, id);
	await_need(w, id);
	make_room(w, full);
	for (uint64_t end = now_ns() + 10000 * MS * w->slow; !cassin_engine_place_begin(place) && now_ns() < end;)
		sleep_ms(1);
	r = cassin_engine_guest_spawn(w->e, &spec, &late, &err);
	EXPECT_IS(r, 0);
	cassin_engine_place_end(place, r);
	cassin_engine_place_leave(place);
	cassin_spec_free(&spec);
	expect_exit(w, late, 0, 10);
	expect_exit(w, id, 0, 10);
}

#define CROWD 60

/* Many wait, and everything is done to some of them meanwhile: the others go on, each in a number of turns that is not that of all. */
static void crowd(struct world *w, const struct test *t)
{
	struct cassin_error_text err;
	uint64_t id[CROWD];
	char name[32];
	(void)t;
	for (int i = 0; i < CROWD; i++) {
		snprintf(name, sizeof name, "g%d", i);
		id[i] = spawn_in(w, "default", name, "want", "touch");
		await_text(w, id[i], "waiting");
	}
	uint64_t full = eater(w);
	for (int i = 0; i < CROWD; i++) {
		feed(w, id[i]);
		await_need(w, id[i]);
	}
	EXPECT_IS(stats_of(w).needing_memory, CROWD + 1);
	struct cassin_guest_spec spec = spec_of(w, "template", "life", "sleep");
	EXPECT_IS(cassin_engine_template_create(w->e, &spec, 200 * MS, NULL, &err), -ENOMEM);
	cassin_spec_free(&spec);
	for (int i = 0; i < CROWD; i += 4) {
		EXPECT_IS(cassin_engine_guest_park(w->e, id[i]), -EBUSY);
		if (i % 8)
			EXPECT_IS(cassin_engine_guest_kill(w->e, id[i]), 0);
		EXPECT_IS(cassin_engine_guest_remove(w->e, id[i]), 0);
	}
	make_room(w, full);
	for (int i = 0; i < CROWD; i++) {
		if (i % 4 == 0)
			continue;
		expect_exit(w, id[i], 0, 30);
		EXPECT(status_of(w, id[i]).counters.dispatches < 60);
	}
	EXPECT_IS(stats_of(w).needing_memory, 0);
}

/* A restart that finds the pool full is tried again by the guest's policy, until there is room. */
static void restarts(struct world *w, const struct test *t)
{
	struct cassin_guest_spec spec = spec_of(w, "g", "hello", NULL);
	(void)t;
	spec.restart = CASSIN_RESTART_ALWAYS;
	uint64_t id = spawn_spec(w, &spec), full = eater(w), end = now_ns() + 20000 * MS * w->slow;
	char *report = NULL;
	while (!(report = cassin_engine_guest_report(w->e, id)) && now_ns() < end) {
		sleep_ms(5);
		if (status_of(w, id).needs_memory) { /* it had begun when the pool was full: not what is meant */
			make_room(w, full);
			full = eater(w);
		}
	}
	EXPECT(report);
	expect_says("the report", report, "the restart failed, and is tried again: g: no memory: the pool");
	free(report);
	EXPECT_IS(status_of(w, id).state, CASSIN_GUEST_WAITING);
	uint64_t before = status_of(w, id).restarts;
	make_room(w, full);
	for (end = now_ns() + 20000 * MS * w->slow; status_of(w, id).restarts == before && now_ns() < end;)
		sleep_ms(5);
	EXPECT(status_of(w, id).restarts > before);
	expect_balance(w);
}

static void destroyed(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t id = spawn_in(w, "default", "g", "want", "touch");
	await_text(w, id, "waiting");
	eater(w);
	feed(w, id);
	await_need(w, id);
	engine_end(w);
}

#define POOL (UINT64_C(16) << 20)

const struct test tests_want[] = {
	{.name = "want.touch", .run = goes_on, .args = "touch", .says = "touched", .pool = POOL},
	{.name = "want.touch-one-worker",
	 .run = goes_on,
	 .args = "touch",
	 .says = "touched",
	 .pool = POOL,
	 .workers = 1},
	{.name = "want.calls", .run = goes_on, .args = "calls", .says = "called", .pool = POOL},
	{.name = "want.completions", .run = goes_on, .args = "completions", .says = "completed", .pool = POOL},
	{.name = "want.operations", .run = goes_on, .args = "operations", .says = "operated", .pool = POOL},
	{.name = "want.streams", .run = streams, .pool = POOL},
	{.name = "want.woken", .run = woken, .image = "park", .args = "keep", .says = "waiting 1", .pool = POOL},
	{.name = "want.woken-in-pieces", .run = woken, .image = "want", .args = "sleep", .says = "awake", .pool = POOL},
	{.name = "want.too-long", .run = too_long, .pool = POOL, .memory_wait_ms = 300},
	{.name = "want.domains", .run = domains, .pool = POOL, .memory_wait_ms = 4000},
	{.name = "want.spared", .run = spared, .pool = POOL, .memory_wait_ms = 60000},
	{.name = "want.spawns", .run = spawns, .pool = POOL, .memory_wait_ms = 60000, .seconds = 60},
	{.name = "want.crowd", .run = crowd, .pool = 4 * POOL, .memory_wait_ms = 60000, .seconds = 60, .heavy = true},
	{.name = "want.ended", .run = ended, .pool = POOL, .seconds = 60},
	{.name = "want.restarts", .run = restarts, .pool = POOL, .memory_wait_ms = 60000, .seconds = 60},
	{.name = "want.destroyed", .run = destroyed, .pool = POOL},
	{0},
};
