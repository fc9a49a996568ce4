/* SPDX-License-Identifier: MIT */
/* Many guests at once. */
#include "runner.h"

#define CROWD 200
#define SHARERS 900u /* the cell's SHARERS_MOST */

static void at_once(struct world *w, const struct test *t)
{
	static uint64_t ids[CROWD];
	for (int i = 0; i < CROWD; i++) {
		char name[32];
		snprintf(name, sizeof name, "g%d", i);
		struct cassin_guest_spec s = spec_of(w, name, t->image, t->args);
		s.memory = UINT64_C(1) << 20;
		ids[i] = spawn_spec(w, &s);
	}
	for (int i = 0; i < CROWD; i++) {
		await_text(w, ids[i], t->says);
		EXPECT_IS(status_of(w, ids[i]).state, CASSIN_GUEST_RUNNING);
	}
	EXPECT_IS(stats_of(w).running, CROWD);
	EXPECT_IS(stats_of(w).cells, 1);
	for (int i = 0; i < CROWD; i += 2)
		EXPECT_IS(cassin_engine_guest_kill(w->e, ids[i]), 0);
	EXPECT_IS(stats_of(w).running, CROWD / 2);
	for (int i = 1; i < CROWD; i += 2)
		EXPECT_IS(status_of(w, ids[i]).state, CASSIN_GUEST_RUNNING);
}

/* All blocked: they must cost next to nothing. */
static void idle(struct world *w, const struct test *t)
{
	at_once(w, t);
	uint64_t before = stats_of(w).exits;
	sleep_ms(300);
	EXPECT(stats_of(w).exits - before < 20);
}

/* More than may share a page: those behind them have shared pages of their own, and the right time. */
static void sharers(struct world *w, const struct test *t)
{
	uint64_t frames = 0;
	for (unsigned i = 0; i < SHARERS + 50; i++) {
		char name[32];
		snprintf(name, sizeof name, "g%u", i);
		struct cassin_guest_spec s = spec_of(w, name, t->image, t->args);
		s.memory = UINT64_C(1) << 20;
		uint64_t id = spawn_spec(w, &s);
		await_text(w, id, t->says);
		if (i == SHARERS - 1)
			frames = stats_of(w).image_frames;
	}
	EXPECT(frames > 0);
	EXPECT(stats_of(w).image_frames > frames);
	EXPECT_IS(stats_of(w).cells, 1);
	expect_exit(w, spawn(w, "now", "clock", "agree"), 0, 0);
	sleep_ms(2500); /* the pages are brought up to date meanwhile */
	expect_exit(w, spawn(w, "later", "clock", "agree"), 0, 0);
}

static void crash_among_many(struct world *w, const struct test *t)
{
	static uint64_t ids[50];
	(void)t;
	for (int i = 0; i < 50; i++) {
		char name[32];
		snprintf(name, sizeof name, "g%d", i);
		ids[i] = spawn(w, name, "faults", i % 2 ? "recursion" : "write-null");
	}
	expect_exit(w, spawn(w, "g", "memory", "copy-on-write 200"), 0, 0);
	for (int i = 0; i < 50; i++)
		expect_crash(w, ids[i], NULL);
	EXPECT_IS(stats_of(w).crashes, 50);
}

const struct test tests_crowd[] = {
	{.name = "crowd.200-idle", .run = idle, .image = "life", .args = "wait", .says = "waiting", .seconds = 40},
	{.name = "crowd.200-hogs", .run = at_once, .image = "hog", .args = "spin", .says = "spinning", .seconds = 60},
	{.name = "crowd.sharers", .run = sharers, .image = "life", .args = "wait", .says = "waiting", .seconds = 60},
	{.name = "crowd.50-crashes", .run = crash_among_many},
	{0},
};
