/* SPDX-License-Identifier: MIT */
/* Guests whose memory is compressed while they wait. */
#include "runner.h"

/* It has said that it waits; soon it does. */
static void park(struct world *w, uint64_t id)
{
	int r;
	for (int i = 0; (r = cassin_engine_guest_park(w->e, id)) == -EBUSY && i < 1000; i++)
		sleep_ms(2);
	EXPECT_IS(r, 0);
	struct cassin_guest_status s = status_of(w, id);
	EXPECT(s.parked);
	EXPECT_IS(s.state, CASSIN_GUEST_RUNNING);
	EXPECT_IS(s.counters.frames + s.counters.table_frames, 0);
}

static uint64_t waiting(struct world *w, const char *args)
{
	uint64_t id = spawn(w, "g", "park", args);
	await_text(w, id, "waiting 0");
	return id;
}

static void kept(struct world *w, const struct test *t)
{
	uint64_t id = waiting(w, t->args);
	for (int round = 0; round < 4; round++) {
		char text[32];
		park(w, id);
		park(w, id); /* once more: nothing happens */
		EXPECT_IS(cassin_engine_guest_input(w->e, id, "x\n", 2), 2);
		snprintf(text, sizeof text, "waiting %d", round + 1);
		await_text(w, id, text);
	}
	EXPECT_IS(stats_of(w).parkings, 4);
	EXPECT_IS(stats_of(w).parked, 0);
	park(w, id);
	EXPECT_IS(stats_of(w).parked, 1);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, NULL, 0), 0);
	if (t->says)
		expect_crash(w, id, t->says);
	else
		expect_exit(w, id, 0, 10);
}

static void deadline(struct world *w, const struct test *t)
{
	uint64_t id = spawn(w, "g", "park", "sleep");
	(void)t;
	await_text(w, id, "waiting");
	park(w, id);
	expect_exit(w, id, 0, 10);
}

static void ends(struct world *w, const struct test *t)
{
	uint64_t id = waiting(w, "keep");
	struct cassin_error_text err;
	(void)t;
	park(w, id);
	EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
	EXPECT_IS(stats_of(w).parked, 0);
	EXPECT_IS(cassin_engine_guest_park(w->e, id), -EBUSY);
	EXPECT_IS(cassin_engine_guest_restart(w->e, id, &err), 0);
	sleep_ms(20);
	park(w, id);
	EXPECT_IS(cassin_engine_guest_stop(w->e, id, 5000 * MS), 0);
	expect_exit(w, id, 0, 10);
	EXPECT_IS(cassin_engine_guest_restart(w->e, id, &err), 0);
	sleep_ms(20);
	park(w, id);
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	EXPECT_IS(cassin_engine_guest_park(w->e, id), -ENOENT);
}

static void hogs_are_not(struct world *w, const struct test *t)
{
	uint64_t id = spawn(w, "g", "hog", "spin");
	(void)t;
	await_text(w, id, "spinning");
	EXPECT_IS(cassin_engine_guest_park(w->e, id), -EBUSY);
	EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
}

/* Its frames go to others, and it must not read theirs when it wakes; nor they its. */
static void recycled(struct world *w, const struct test *t)
{
	uint64_t id = waiting(w, "keep");
	(void)t;
	for (int round = 0; round < 5; round++) {
		char text[32], name[32];
		park(w, id);
		snprintf(name, sizeof name, "other%d", round);
		uint64_t other = spawn(w, name, "park", "keep");
		await_text(w, other, "waiting 0");
		EXPECT_IS(cassin_engine_guest_input(w->e, id, "x\n", 2), 2);
		snprintf(text, sizeof text, "waiting %d", round + 1);
		await_text(w, id, text);
		EXPECT_IS(cassin_engine_guest_input(w->e, other, "x\n", 2), 2);
		await_text(w, other, "waiting 1");
		EXPECT_IS(cassin_engine_guest_remove(w->e, other), 0);
	}
}

/* There is no memory left when it is to wake: that is its end, and nobody else's. */
static void no_memory(struct world *w, const struct test *t)
{
	uint64_t id = waiting(w, "keep"), n = 0, ids[600];
	struct cassin_error_text err;
	(void)t;
	park(w, id);
	for (; n < 600; n++) {
		char name[32];
		snprintf(name, sizeof name, "other%d", (int)n);
		struct cassin_guest_spec s = spec_of(w, name, "park", "keep");
		int r = cassin_engine_guest_spawn(w->e, &s, &ids[n], &err);
		cassin_spec_free(&s);
		if (r)
			break;
		sleep_ms(3);
	}
	EXPECT(n > 2 && n < 600);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "x\n", 2), 2);
	expect_crash(w, id, "pool exhausted");
	while (stats_of(w).needing_memory)
		sleep_ms(3); /* the last of the others wait, too, and would have what comes free */
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	EXPECT_IS(cassin_engine_guest_remove(w->e, ids[0]), 0);
	expect_exit(w, spawn(w, "hello", "hello", NULL), 0, 5);
}

const struct test tests_park[] = {
	{.name = "park.kept", .run = kept, .args = "keep"},
	{.name = "park.kept-one-worker", .run = kept, .args = "keep", .workers = 1},
	{.name = "park.hole-kept", .run = kept, .args = "keep hole", .says = "page fault: write"},
	{.name = "park.right-kept", .run = kept, .args = "keep right", .says = "page fault: write"},
	{.name = "park.deadline", .run = deadline},
	{.name = "park.ends", .run = ends},
	{.name = "park.hogs-are-not", .run = hogs_are_not},
	{.name = "park.recycled", .run = recycled},
	{.name = "park.recycled-one-worker", .run = recycled, .workers = 1},
	{.name = "park.no-memory", .run = no_memory, .pool = UINT64_C(8) << 20, .memory_wait_ms = 200},
	{0},
};
