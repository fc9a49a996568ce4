/* SPDX-License-Identifier: MIT */
/* The processor's time and registers: preemption, vectors, clocks. */
#include <time.h>

#include "runner.h"

/* One more hog than there are workers, of this kind; another guest still ends in good time. */
static void hogs(struct world *w, const struct test *t)
{
	unsigned n = (t->workers ? t->workers : 2) + 1;
	uint64_t ids[8];
	for (unsigned i = 0; i < n; i++) {
		char name[32];
		snprintf(name, sizeof name, "hog%u", i);
		ids[i] = spawn(w, name, "hog", t->args);
	}
	for (unsigned i = 0; i < n; i++)
		await_text(w, ids[i], "spinning");
	for (unsigned i = 0; i < 5; i++) {
		char name[32];
		snprintf(name, sizeof name, "g%u", i);
		expect_exit(w, spawn(w, name, "hello", NULL), 0, 3);
	}
	expect_exit(w, spawn(w, "timers", "clock", "timers"), 0, 5);
	for (unsigned i = 0; i < n; i++) {
		struct cassin_guest_status s = status_of(w, ids[i]);
		EXPECT_IS(s.state, CASSIN_GUEST_RUNNING);
		EXPECT(s.counters.virtual_ns > 0);
	}
	EXPECT(stats_of(w).preemptions > 0 || strcmp(t->args, "yield") == 0);
	for (unsigned i = 0; i < n; i++) {
		EXPECT_IS(cassin_engine_guest_kill(w->e, ids[i]), 0);
		EXPECT_IS(status_of(w, ids[i]).exit_code, 137);
	}
}

/* I/O privilege level 3 lets a guest clear its interrupt flag where the KVM does as the processor does; where it does not,
 * the guest ends. Either way the others are served. */
static void without_interrupts(struct world *w, const struct test *t)
{
	uint64_t ids[3];
	(void)t;
	for (int i = 0; i < 3; i++) {
		char name[32];
		snprintf(name, sizeof name, "hog%d", i);
		ids[i] = spawn(w, name, "hog", "cli");
	}
	for (int i = 0; i < 3; i++)
		await_text(w, ids[i], "spinning");
	expect_exit(w, spawn(w, "g", "hello", NULL), 0, 3);
	expect_exit(w, spawn(w, "timers", "clock", "timers"), 0, 5);
	for (int i = 0; i < 3; i++) {
		if (status_of(w, ids[i]).state == CASSIN_GUEST_CRASHED)
			expect_crash(w, ids[i], "general protection fault");
		else
			EXPECT_IS(cassin_engine_guest_kill(w->e, ids[i]), 0);
	}
}

/* Guests that fill all vector registers end, block, or are killed while they spin; those after them find nothing. */
static void scrubbed(struct world *w, const struct test *t)
{
	static const char *const ways[] = {"fill exit", "fill block", "fill"};
	(void)t;
	for (int i = 0; i < 30; i++) {
		uint64_t a = spawn(w, "a", "vectors", ways[i % 3]);
		if (i % 3 == 0)
			expect_exit(w, a, 0, 0);
		else
			await_text(w, a, "filled");
		if (i % 6 == 2) {
			sleep_ms(5);
			EXPECT_IS(cassin_engine_guest_kill(w->e, a), 0);
		}
		uint64_t b = spawn(w, "b", "vectors", "clean"), c = spawn(w, "c", "vectors", "clean");
		expect_exit(w, b, 0, 0);
		expect_exit(w, c, 0, 0);
		EXPECT_IS(cassin_engine_guest_remove(w->e, a), 0);
		EXPECT_IS(cassin_engine_guest_remove(w->e, b), 0);
		EXPECT_IS(cassin_engine_guest_remove(w->e, c), 0);
	}
}

/* Three more than workers; each checks that its state survives the others. */
static void kept(struct world *w, const struct test *t)
{
	uint64_t ids[5];
	for (int i = 0; i < 5; i++) {
		char name[32], args[64];
		snprintf(name, sizeof name, "g%d", i);
		snprintf(args, sizeof args, "%s %d", t->args, 17 + i * 40);
		ids[i] = spawn(w, name, t->image, args);
	}
	for (int i = 0; i < 5; i++)
		expect_exit(w, ids[i], 0, 30);
	EXPECT(stats_of(w).preemptions > 0);
}

/* Calls of several turns, beside guests that leave something else in the registers whenever they block. */
static void kept_in_calls(struct world *w, const struct test *t)
{
	uint64_t ids[4];
	for (int i = 0; i < 4; i++) {
		char name[32];
		snprintf(name, sizeof name, "near-%d", i);
		spawn(w, name, "vectors", "wake 1");
	}
	for (int i = 0; i < 4; i++) {
		char name[32], args[64];
		snprintf(name, sizeof name, "g%d", i);
		snprintf(args, sizeof args, "%s %d", t->args, 17 + i * 40);
		ids[i] = spawn(w, name, t->image, args);
	}
	for (int i = 0; i < 4; i++)
		expect_exit(w, ids[i], 0, 50);
	EXPECT(stats_of(w).preemptions > 0);
}

static void registers_kept(struct world *w, const struct test *t)
{
	uint64_t ids[5];
	(void)t;
	for (int i = 0; i < 5; i++) {
		char name[32];
		snprintf(name, sizeof name, "g%d", i);
		ids[i] = spawn(w, name, "hog", "registers 300");
	}
	for (int i = 0; i < 5; i++)
		expect_exit(w, ids[i], 0, 30);
	EXPECT(stats_of(w).preemptions > 0);
}

static void wall(struct world *w, const struct test *t)
{
	struct timespec now;
	char args[96];
	(void)t;
	clock_gettime(CLOCK_REALTIME, &now);
	snprintf(args, sizeof args, "wall %lld%09ld %llu", (long long)now.tv_sec, now.tv_nsec,
		 (unsigned long long)(w->slow * 5000 * MS));
	expect_exit(w, spawn(w, "g", "clock", args), 0, 0);
}

static void monotonic_among_hogs(struct world *w, const struct test *t)
{
	uint64_t ids[4];
	(void)t;
	for (int i = 0; i < 4; i++) {
		char name[32];
		snprintf(name, sizeof name, "g%d", i);
		ids[i] = spawn(w, name, "clock", "monotonic 800");
	}
	for (int i = 0; i < 4; i++)
		expect_exit(w, ids[i], 0, 0);
}

/* While a hog computes on the only worker, a guest's timers fire and its time is its own. */
static void virtual_time_shared(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t hog = spawn(w, "hog", "hog", "spin");
	await_text(w, hog, "spinning");
	uint64_t before = status_of(w, hog).counters.virtual_ns;
	expect_exit(w, spawn(w, "g", "clock", "virtual"), 0, 0);
	EXPECT(status_of(w, hog).counters.virtual_ns > before);
	EXPECT_IS(cassin_engine_guest_kill(w->e, hog), 0);
}

/* An hour forth and back; only where the machine is the test's own. */
static void host_clock_steps(struct world *w, const struct test *t)
{
	uint64_t id = spawn(w, "g", "clock", "steps"), seen = 0;
	struct timespec wall;
	(void)t;
	await_text(w, id, "waiting");
	clock_gettime(CLOCK_REALTIME, &wall);
	wall.tv_sec += 3600;
	EXPECT_IS(clock_settime(CLOCK_REALTIME, &wall), 0);
	uint64_t stepped = now_ns();
	expect_exit(w, id, 0, 5);
	clock_gettime(CLOCK_REALTIME, &wall);
	wall.tv_sec -= 3600;
	EXPECT_IS(clock_settime(CLOCK_REALTIME, &wall), 0);
	const char *at = strstr(console_of(w, id), "stepped at ");
	EXPECT(at && sscanf(at, "stepped at %lu", &seen) == 1);
	EXPECT(seen > stepped - 1000 * MS);
	expect_exit(w, spawn(w, "after", "clock", "agree"), 0, 5);
}

/* Whether it ended well, or by the fault of a processor that has no protection keys for guests. */
static void expect_keys(struct world *w, uint64_t id)
{
	struct cassin_guest_status s;
	uint64_t end = now_ns() + 10000 * MS * w->slow;
	do {
		sleep_ms(2);
		s = status_of(w, id);
	} while (s.state <= CASSIN_GUEST_RUNNING && now_ns() < end);
	if (s.state == CASSIN_GUEST_CRASHED)
		expect_crash(w, id, "invalid opcode");
	else
		expect_exit(w, id, 0, 0);
}

/* What a guest writes to PKRU stays its own, and harms nobody. */
static void protection_keys(struct world *w, const struct test *t)
{
	(void)t;
	expect_keys(w, spawn(w, "first", "keys", "leave"));
	expect_keys(w, spawn(w, "second", "keys", "clean"));
	uint64_t yields = spawn(w, "yields", "keys", "leave yield"), denies = spawn(w, "denies", "keys", "deny");
	uint64_t a = spawn(w, "a", "keys", "keep"), b = spawn(w, "b", "keys", "keep");
	expect_exit(w, spawn(w, "hello", "hello", NULL), 0, 3);
	expect_exit(w, spawn(w, "timers", "clock", "timers"), 0, 5);
	expect_keys(w, spawn(w, "third", "keys", "clean"));
	expect_keys(w, a);
	expect_keys(w, b);
	EXPECT_IS(cassin_engine_guest_kill(w->e, denies), 0);
	EXPECT_IS(cassin_engine_guest_kill(w->e, yields), 0);
}

/* One guest after the other, in a cell that is never at rest. */
static void flags_of_others(struct world *w, const struct test *t)
{
	(void)t;
	await_text(w, spawn(w, "near", "hog", "spin"), "spinning");
	for (unsigned i = 0; i < 20; i++) {
		uint64_t id = spawn(w, "g", "vectors", "flags");
		expect_exit(w, id, 0, 20);
		EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	}
}

const struct test tests_processor[] = {
	{.name = "hog.spin", .run = hogs, .args = "spin"},
	{.name = "hog.spin-one-worker", .run = hogs, .args = "spin", .workers = 1},
	{.name = "hog.without-interrupts", .run = without_interrupts},
	{.name = "hog.without-interrupts-one-worker", .run = without_interrupts, .workers = 1},
	{.name = "hog.call", .run = hogs, .args = "call"},
	{.name = "hog.call-one-worker", .run = hogs, .args = "call", .workers = 1},
	{.name = "hog.yield", .run = hogs, .args = "yield"},
	{.name = "hog.fault", .run = hogs, .args = "fault"},
	{.name = "hog.fault-one-worker", .run = hogs, .args = "fault", .workers = 1},
	{.name = "hog.registers-kept", .run = registers_kept},
	{.name = "hog.registers-kept-one-worker", .run = registers_kept, .workers = 1},
	PASS("vectors", "clean"),
	{.name = "vectors.flags-of-others", .run = flags_of_others, .workers = 1, .seconds = 40},
	{.name = "vectors.scrubbed", .run = scrubbed},
	{.name = "vectors.scrubbed-one-worker", .run = scrubbed, .workers = 1},
	{.name = "vectors.kept", .run = kept, .image = "vectors", .args = "keep 300", .seconds = 40},
	{.name = "vectors.kept-in-calls",
	 .run = kept_in_calls,
	 .image = "vectors",
	 .args = "keep-in-calls 6",
	 .seconds = 60,
	 .workers = 1,
	 .heavy = true},
	{.name = "vectors.kept-one-worker",
	 .run = kept,
	 .image = "vectors",
	 .args = "keep 200",
	 .workers = 1,
	 .seconds = 40},
	{.name = "keys.own", .run = protection_keys},
	{.name = "keys.own-one-worker", .run = protection_keys, .workers = 1},
	PASS("clock", "agree"),
	PASS("clock", "monotonic"),
	PASS("clock", "virtual"),
	PASS("clock", "timers"),
	PASS("clock", "cancel"),
	PASS("clock", "deadlines"),
	{.name = "clock.wall", .run = wall},
	{.name = "clock.host-steps", .run = host_clock_steps, .own_machine = true},
	{.name = "clock.monotonic-among-hogs", .run = monotonic_among_hogs},
	{.name = "clock.virtual-beside-a-hog", .run = virtual_time_shared, .workers = 1},
	{0},
};
