/* SPDX-License-Identifier: MIT */
/* How guests begin and end: exit codes, policies, stop, kill, restart, remove; and the console. */
#include "engines.h"

static void exit_codes(struct world *w, const struct test *t)
{
	static const struct {
		const char *args;
		int code;
	} ends[] = {{"exit 0", 0}, {"exit 7", 7}, {"exit 255", 255}, {"exit 256", 0}, {"exit 511", 255}};
	(void)t;
	for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
		char name[32];
		snprintf(name, sizeof name, "g%zu", i);
		uint64_t id = spawn(w, name, "life", ends[i].args);
		expect_exit(w, id, ends[i].code, 0);
		struct cassin_guest_status s = status_of(w, id);
		EXPECT_IS(s.uptime_ns, 0);
		EXPECT_IS(s.restarts, 0);
		EXPECT_IS(s.counters.frames, 0);
		EXPECT_IS(s.counters.table_frames, 0);
		EXPECT(s.counters.exits > 0 && s.counters.hypercalls > 0);
		EXPECT(!cassin_engine_guest_report(w->e, id));
	}
}

static void ready(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t id = spawn(w, "g", "life", "ready");
	uint64_t end = now_ns() + 10000 * MS * w->slow;
	while (!status_of(w, id).ready && now_ns() < end)
		sleep_ms(2);
	struct cassin_guest_status s = status_of(w, id);
	EXPECT(s.ready);
	EXPECT_IS(s.state, CASSIN_GUEST_RUNNING);
	EXPECT(s.uptime_ns > 0 && s.started_ns > 0);
	EXPECT(s.counters.frames > 0 && s.counters.table_frames > 0);
	EXPECT_IS(s.memory_bytes, CASSIN_MEMORY_DEFAULT);
}

static void names(struct world *w, const struct test *t)
{
	struct cassin_error_text err = {0};
	uint64_t id = spawn(w, "same", "life", "sleep"), other;
	(void)t;
	struct cassin_guest_spec s = spec_of(w, "same", "life", "sleep");
	EXPECT_IS(cassin_engine_guest_spawn(w->e, &s, &other, &err), -EEXIST);
	expect_says("the error", err.text, "same");
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	EXPECT_IS(cassin_engine_guest_spawn(w->e, &s, &other, &err), 0);
	EXPECT(other != id);
	cassin_spec_free(&s);
	EXPECT_IS(cassin_engine_guest_kill(w->e, id), -ENOENT);
	EXPECT_IS(cassin_engine_guest_stop(w->e, id, 0), -ENOENT);
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), -ENOENT);
	EXPECT_IS(cassin_engine_guest_restart(w->e, id, &err), -ENOENT);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "x", 1), -ENOENT);
}

static void kills(struct world *w, const struct test *t)
{
	static const char *const ways[] = {"hog spin",  "hog call",    "hog fault", "life sleep",
					   "life wait", "life accept", "life read", "console flood-for-ever"};
	(void)t;
	for (int early = 0; early < 2; early++) {
		for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
			char image[32], *space;
			snprintf(image, sizeof image, "%s", ways[i]);
			space = strchr(image, ' ');
			*space = 0;
			uint64_t id = spawn(w, "g", image, space + 1);
			if (!early)
				sleep_ms(20 * w->slow);
			EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
			struct cassin_guest_status s = status_of(w, id);
			EXPECT_IS(s.state, CASSIN_GUEST_KILLED);
			EXPECT_IS(s.exit_code, 137);
			EXPECT_IS(s.counters.frames, 0);
			EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0); /* again: nothing to do */
			EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
		}
	}
}

static void kill_waiting(struct world *w, const struct test *t)
{
	struct cassin_guest_spec s = spec_of(w, "g", "life", "exit 3");
	(void)t;
	s.restart = CASSIN_RESTART_ALWAYS;
	uint64_t id = spawn_spec(w, &s);
	await_state(w, id, CASSIN_GUEST_WAITING);
	EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
	unsigned restarts = status_of(w, id).restarts;
	sleep_ms(400);
	EXPECT_IS(status_of(w, id).state, CASSIN_GUEST_KILLED);
	EXPECT_IS(status_of(w, id).restarts, restarts);
}

static void stops(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t polite = spawn(w, "polite", "life", "accept"), reader = spawn(w, "reader", "life", "read");
	uint64_t stubborn = spawn(w, "stubborn", "hog", "spin"), deaf = spawn(w, "deaf", "life", "wait");
	await_text(w, polite, "accepting");
	await_text(w, reader, "reading");
	await_text(w, stubborn, "spinning");
	await_text(w, deaf, "waiting");
	uint64_t grace = 300 * MS * w->slow, start = now_ns();
	EXPECT_IS(cassin_engine_guest_stop(w->e, polite, 60 * 1000 * MS), 0);
	EXPECT_IS(cassin_engine_guest_stop(w->e, reader, 60 * 1000 * MS), 0);
	EXPECT_IS(cassin_engine_guest_stop(w->e, stubborn, grace), 0);
	EXPECT_IS(cassin_engine_guest_stop(w->e, deaf, grace), 0);
	expect_exit(w, polite, 0, 0);
	expect_exit(w, reader, 0, 0);
	expect_says("the console", console_of(w, polite), "asked to stop");
	expect_says("the console", console_of(w, reader), "end of input");
	EXPECT_IS(await_state(w, stubborn, CASSIN_GUEST_KILLED).exit_code, 137);
	EXPECT_IS(await_state(w, deaf, CASSIN_GUEST_KILLED).exit_code, 137);
	EXPECT(now_ns() - start >= grace);
	EXPECT_IS(cassin_engine_guest_stop(w->e, deaf, grace), 0); /* has ended already */
}

/* A guest that listens only after it was asked to stop learns that at its first accept. */
static void stop_before_boot(struct world *w, const struct test *t)
{
	(void)t;
	for (int i = 0; i < 10; i++) {
		uint64_t id = spawn(w, "g", "life", "accept");
		EXPECT_IS(cassin_engine_guest_stop(w->e, id, 60 * 1000 * MS), 0);
		expect_exit(w, id, 0, 0);
		EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	}
}

static void restarts_on_failure(struct world *w, const struct test *t)
{
	struct cassin_guest_spec s = spec_of(w, "g", "life", "recover");
	(void)t;
	s.restart = CASSIN_RESTART_ON_FAILURE;
	uint64_t start = now_ns(), id = spawn_spec(w, &s);
	await_text(w, id, "life 2");
	expect_exit(w, id, 0, 0);
	EXPECT_IS(status_of(w, id).restarts, 2);
	EXPECT(now_ns() - start >= 300 * MS); /* back-off: 100 ms, then 200 ms */
	char *report = cassin_engine_guest_report(w->e, id);
	EXPECT(report);
	expect_says("the report", report, "invalid opcode");
	free(report);
	EXPECT_IS(stats_of(w).restarts, 2);
	s = spec_of(w, "quiet", "life", "exit 0");
	s.restart = CASSIN_RESTART_ON_FAILURE;
	id = spawn_spec(w, &s);
	expect_exit(w, id, 0, 0);
	EXPECT_IS(status_of(w, id).restarts, 0);
}

static void restarts_at_most(struct world *w, const struct test *t)
{
	struct cassin_guest_spec s = spec_of(w, "g", "life", "crash");
	(void)t;
	s.restart = CASSIN_RESTART_ON_FAILURE;
	s.restart_max = 3;
	uint64_t id = spawn_spec(w, &s);
	await_state(w, id, CASSIN_GUEST_CRASHED);
	EXPECT_IS(status_of(w, id).restarts, 3);
	EXPECT_IS(stats_of(w).crashes, 4);
}

static void restarts_always(struct world *w, const struct test *t)
{
	struct cassin_guest_spec s = spec_of(w, "g", "life", "exit 0");
	(void)t;
	s.restart = CASSIN_RESTART_ALWAYS;
	uint64_t id = spawn_spec(w, &s), end = now_ns() + 10000 * MS * w->slow;
	while (status_of(w, id).restarts < 3 && now_ns() < end)
		sleep_ms(5);
	EXPECT(status_of(w, id).restarts >= 3);
	EXPECT_IS(cassin_engine_guest_stop(w->e, id, 0), 0); /* and now for good */
	sleep_ms(50);
	struct cassin_guest_status a = status_of(w, id);
	sleep_ms(2000);
	struct cassin_guest_status b = status_of(w, id);
	EXPECT(a.state == CASSIN_GUEST_EXITED || a.state == CASSIN_GUEST_KILLED);
	EXPECT_IS(b.state, a.state);
	EXPECT_IS(b.restarts, a.restarts);
}

static void restarted_by_hand(struct world *w, const struct test *t)
{
	struct cassin_error_text err = {0};
	(void)t;
	uint64_t id = spawn(w, "g", "life", "exit 9");
	expect_exit(w, id, 9, 0);
	EXPECT_IS(cassin_engine_guest_restart(w->e, id, &err), 0);
	expect_exit(w, id, 9, 0);
	EXPECT_IS(status_of(w, id).restarts, 1);
	uint64_t hog = spawn(w, "hog", "hog", "spin");
	await_text(w, hog, "spinning");
	for (int i = 0; i < 5; i++)
		EXPECT_IS(cassin_engine_guest_restart(w->e, hog, &err), 0);
	EXPECT_IS(await_state(w, hog, CASSIN_GUEST_RUNNING).restarts, 5);
	uint64_t sleeper = spawn(w, "sleeper", "life", "accept");
	await_text(w, sleeper, "accepting");
	EXPECT_IS(cassin_engine_guest_restart(w->e, sleeper, &err), 0);
	sleep_ms(50 * w->slow);
	EXPECT_IS(status_of(w, sleeper).state, CASSIN_GUEST_RUNNING);
	EXPECT_IS(cassin_engine_guest_stop(w->e, sleeper, 10000 * MS), 0);
	expect_exit(w, sleeper, 0, 0);
}

static void destroyed_alive(struct world *w, const struct test *t)
{
	(void)t;
	spawn(w, "hog", "hog", "spin");
	spawn(w, "caller", "hog", "call");
	spawn(w, "faulter", "hog", "fault");
	spawn(w, "sleeper", "life", "sleep");
	spawn(w, "reader", "life", "read");
	spawn(w, "listener", "life", "accept");
	struct cassin_guest_spec s = spec_of(w, "dying", "life", "crash");
	s.restart = CASSIN_RESTART_ALWAYS;
	spawn_spec(w, &s);
	s = spec_of(w, "apart", "hog", "spin");
	s.isolation = CASSIN_ISOLATION_VM;
	spawn_spec(w, &s);
	sleep_ms(100);
	spawn(w, "newest", "hello", NULL);
	engine_end(w);
}

static void isolation(struct world *w, const struct test *t)
{
	uint64_t ids[8];
	static const char *const domains[] = {"red", "blue", "red", "blue", "default", "default", "red", "red"};
	(void)t;
	for (int i = 0; i < 8; i++) {
		char name[32];
		snprintf(name, sizeof name, "g%d", i);
		struct cassin_guest_spec s = spec_of(w, name, "life", "sleep");
		free(s.domain);
		s.domain = strdup(domains[i]);
		s.isolation = i >= 5 ? CASSIN_ISOLATION_VM : CASSIN_ISOLATION_CELL;
		ids[i] = spawn_spec(w, &s);
		await_text(w, ids[i], "sleeping");
	}
	for (int i = 0; i < 8; i++) {
		for (int k = 0; k < i; k++) {
			bool same = status_of(w, ids[i]).cell == status_of(w, ids[k]).cell;
			EXPECT_IS(same, i < 5 && k < 5 && strcmp(domains[i], domains[k]) == 0);
		}
		EXPECT_IS(strcmp(status_of(w, ids[i]).domain, domains[i]), 0);
	}
	EXPECT_IS(stats_of(w).cells, 6);
	struct cassin_guest_spec s = spec_of(w, "memory", "memory", "zero 1024");
	s.isolation = CASSIN_ISOLATION_VM;
	expect_exit(w, spawn_spec(w, &s), 0, 0);
	s = spec_of(w, "paging", "paging", "many");
	s.isolation = CASSIN_ISOLATION_VM;
	expect_exit(w, spawn_spec(w, &s), 0, 0);
}

/* A guest in a cell of its own may use all of its memory, tables included. */
static void isolated_memory(struct world *w, const struct test *t)
{
	struct cassin_guest_spec s = spec_of(w, "g", "memory", "eat");
	(void)t;
	s.isolation = CASSIN_ISOLATION_VM;
	s.memory = UINT64_C(32) << 20;
	expect_exit(w, spawn_spec(w, &s), 0, 0);
}

static void changes(struct world *w, const struct test *t)
{
	(void)t;
	while (cassin_engine_changed_next(w->e)) {
	}
	uint64_t id = spawn(w, "g", "life", "exit 0"), given;
	bool told = false;
	expect_exit(w, id, 0, 0);
	while ((given = cassin_engine_changed_next(w->e)))
		told = told || given == id;
	EXPECT(told);
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	told = false;
	while ((given = cassin_engine_changed_next(w->e)))
		told = told || given == id;
	EXPECT(told);
}

/* ---- Console ---- */

static void floods(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t id = spawn(w, "g", "console", "flood 1024"), offset = 0, lost;
	expect_exit(w, id, 0, 0);
	static char text[32 << 10];
	long n = cassin_engine_guest_log(w->e, id, &offset, text, sizeof text, &lost);
	EXPECT_IS(n, 16 << 10);
	EXPECT_IS(lost, (1 << 20) - n);
	EXPECT_IS(offset, 1 << 20);
	EXPECT_IS(status_of(w, id).counters.log_lost, lost);
	char last[32];
	snprintf(last, sizeof last, "line %d ", (1 << 20) / 64 - 1);
	EXPECT_IS(strncmp(text + n - 64, last, strlen(last)), 0);
	EXPECT_IS(cassin_engine_guest_log(w->e, id, &offset, text, sizeof text, &lost), 0);
	id = spawn(w, "much", "console", "much");
	expect_exit(w, id, 0, 0);
	EXPECT_IS(status_of(w, id).counters.log_lost, (1 << 20) - (16 << 10));
}

static void flood_for_ever(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t ids[3];
	for (int i = 0; i < 3; i++) {
		char name[32];
		snprintf(name, sizeof name, "flood%d", i);
		ids[i] = spawn(w, name, "console", "flood-for-ever");
	}
	sleep_ms(200);
	expect_exit(w, spawn(w, "g", "hello", NULL), 0, 3);
	expect_exit(w, spawn(w, "r", "console", "flood 64"), 0, 5);
	for (int i = 0; i < 3; i++) {
		EXPECT_IS(status_of(w, ids[i]).state, CASSIN_GUEST_RUNNING);
		EXPECT(status_of(w, ids[i]).counters.log_lost > 0);
		EXPECT_IS(strlen(console_of(w, ids[i])), 16 << 10);
	}
}

static void echoes(struct world *w, const struct test *t)
{
	static char text[100000];
	uint64_t id = spawn(w, "g", "console", "echo");
	size_t sent = 0;
	(void)t;
	for (size_t i = 0; i < sizeof text; i++)
		text[i] = (char)('a' + i % 23);
	while (sent < sizeof text) {
		long n = cassin_engine_guest_input(w->e, id, text + sent, sizeof text - sent);
		EXPECT(n > 0 || n == -EAGAIN);
		sent += n > 0 ? (size_t)n : 0;
		if (n < 0)
			sleep_ms(1);
	}
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "", 0), 0);
	expect_exit(w, id, 0, 0);
	expect_says("the console", console_of(w, id), "\n100000 bytes\n|cdefgh");
}

static void input_before_boot(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t id = spawn(w, "g", "console", "echo");
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "early", 5), 5);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "", 0), 0);
	expect_exit(w, id, 0, 0);
	expect_says("the console", console_of(w, id), "early\n5 bytes\n");
}

static void input_cancelled(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t id = spawn(w, "g", "console", "cancel");
	await_text(w, id, "cancelled");
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "x", 1), 1);
	expect_exit(w, id, 0, 0);
}

const struct test tests_life[] = {
	{.name = "life.exit-codes", .run = exit_codes},
	{.name = "life.ready", .run = ready},
	{.name = "life.names", .run = names},
	{.name = "life.kill", .run = kills},
	{.name = "life.kill-one-worker", .run = kills, .workers = 1},
	{.name = "life.kill-waiting", .run = kill_waiting},
	{.name = "life.stop", .run = stops},
	{.name = "life.stop-before-boot", .run = stop_before_boot},
	{.name = "life.restart-on-failure", .run = restarts_on_failure},
	{.name = "life.restart-at-most", .run = restarts_at_most},
	{.name = "life.restart-always", .run = restarts_always},
	{.name = "life.restart-by-hand", .run = restarted_by_hand},
	{.name = "life.destroyed-alive", .run = destroyed_alive},
	{.name = "life.isolation", .run = isolation},
	{.name = "life.isolated-memory", .run = isolated_memory},
	{.name = "life.changes", .run = changes},
	{.name = "console.flood", .run = floods},
	{.name = "console.flood-for-ever", .run = flood_for_ever},
	{.name = "console.echo", .run = echoes},
	{.name = "console.input-before-boot", .run = input_before_boot},
	{.name = "console.input-cancelled", .run = input_cancelled},
	{0},
};
