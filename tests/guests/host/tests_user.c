/* SPDX-License-Identifier: MIT */
/* User mode and upcalls. */
#include "runner.h"

/* A stop reaches a guest that computes. */
static void stopped(struct world *w, const struct test *t)
{
	uint64_t id = spawn(w, "g", t->image, t->args);
	await_text(w, id, "spinning");
	EXPECT_IS(cassin_engine_guest_stop(w->e, id, 5000 * MS), 0);
	expect_exit(w, id, 0, 0);
	expect_says("the console", console_of(w, id), "stopped");
}

/* A timer's upcall wakes a guest that is parked. */
static void parked(struct world *w, const struct test *t)
{
	uint64_t id = spawn(w, "g", t->image, t->args);
	int r;
	await_text(w, id, "waiting");
	for (int i = 0; (r = cassin_engine_guest_park(w->e, id)) == -EBUSY && i < 1000; i++)
		sleep_ms(2);
	EXPECT_IS(r, 0);
	EXPECT(status_of(w, id).parked);
	expect_exit(w, id, 0, 0);
}

/* Clones have their template's upcalls: entry, stack, mask, and the timer that was armed. */
static void cloned(struct world *w, const struct test *t)
{
	struct cassin_guest_spec s = spec_of(w, "t", t->image, t->args);
	struct cassin_error_text err = {0};
	EXPECT_IS(cassin_engine_template_create(w->e, &s, 50 * 1000 * MS, NULL, &err), 0);
	cassin_spec_free(&s);
	for (int i = 0; i < 2; i++) {
		s = spec_of(w, i ? "b" : "a", t->image, NULL);
		free(s.image);
		s.image = NULL;
		s.from_template = strdup("t");
		expect_exit(w, spawn_spec(w, &s), 0, 0);
	}
	EXPECT_IS(cassin_engine_template_remove(w->e, "t"), 0);
}

/* Who has other spaces is neither parked nor made a template. */
static void not_parked(struct world *w, const struct test *t)
{
	uint64_t id = spawn(w, "g", t->image, t->args);
	await_text(w, id, "waiting");
	for (int i = 0; i < 20; i++) {
		EXPECT_IS(cassin_engine_guest_park(w->e, id), -EBUSY);
		sleep_ms(2);
	}
	expect_exit(w, id, 0, 0);
	struct cassin_guest_spec s = spec_of(w, "t", t->image, t->args);
	struct cassin_error_text err = {0};
	EXPECT_IS(cassin_engine_template_create(w->e, &s, 50 * 1000 * MS, NULL, &err), -EBUSY);
	cassin_spec_free(&s);
}

/* A quota that exceeds the pool. */
static void eats_the_pool(struct world *w, const struct test *t)
{
	struct cassin_guest_spec s = spec_of(w, "g", t->image, t->args);
	s.memory = UINT64_C(64) << 20;
	expect_exit(w, spawn_spec(w, &s), 0, 0);
	expect_exit(w, spawn(w, "after", "hello", NULL), 0, 0);
}

const struct test tests_user[] = {
	PASS("user", "calls"),
	PASS("user", "direct"),
	PASS("user", "registers"),
	PASS("user", "fs-base"),
	PASS("user", "segments"),
	PASS("user", "exits"),
	PASS("user", "refused"),
	PASS("user", "privileged-flags"),
	PASS("user", "frame-places"),
	{.name = "user.not-parked", .run = not_parked, .image = "user-spaces", .args = "hold"},
	PASS("user-faults", "faults"),
	PASS("user-faults", "keys"),
	PASS("user-faults", "fault-again"),
	PASS("user-faults", "empty"),
	PASS("user-faults", "demand-zero"),
	PASS("user-faults", "image-page"),
	PASS("user-host", "calls"),
	PASS("user-host", "vsyscalls"),
	PASS("user-host", "modes"),
	PASS("user-host", "places"),
	PASS("user-host", "accesses"),
	PASS("user-host", "jumps"),
	PASS("user-host", "alignment"),
	PASS("user-host", "segments"),
	PASS("user-host", "extensions"),
	PASS("user-odd", "forbidden"),
	PASS("user-odd", "allowed"),
	PASS("user-ways", "interrupts"),
	PASS("user-ways", "not-interrupts"),
	PASS("user-ways", "numbers"),
	PASS("user-ways", "states"),
	PASS("user-ways", "anything"),
	PASS("user-time", "deadline"),
	PASS("user-time", "turns"),
	PASS("user-time", "control-words"),
	PASS("user-time", "wakes"),
	PASS("user-spaces", "isolated"),
	PASS("user-spaces", "live"),
	PASS("user-spaces", "flags"),
	PASS("user-spaces", "kernel-live"),
	PASS("user-spaces", "recycled"),
	PASS("user-spaces", "refused"),
	{.name = "user-spaces.no-memory",
	 .memory_wait_ms = 200,
	 .run = eats_the_pool,
	 .image = "user-spaces",
	 .args = "no-memory",
	 .pool = UINT64_C(8) << 20},
	PASS("upcall", "timer"),
	PASS("upcall", "completion"),
	PASS("upcall", "ends-wait"),
	PASS("upcall", "wakes"),
	PASS("upcall", "masked"),
	PASS("upcall", "withdrawn"),
	PASS("upcall", "off"),
	{.name = "upcall.stop", .run = stopped, .image = "upcall", .args = "stop"},
	{.name = "upcall.parked", .run = parked, .image = "upcall", .args = "wait"},
	{.name = "upcall.cloned", .run = cloned, .image = "upcall", .args = "wait"},
	PASS("upcall", "keep"),
	PASS("upcall", "nested"),
	PASS("upcall", "storm"),
	PASS("upcall", "over-user"),
	PASS("upcall", "refused"),
	PASS("upcall", "bad-return"),
	PASS("upcall", "made-up"),
	CRASH("upcall", "stack-unmapped", "upcall stack or mask unmapped"),
	CRASH("upcall", "stack-read-only", "upcall stack or mask unmapped"),
	CRASH("upcall", "stack-overflow", "upcall stack overflow"),
	CRASH("upcall", "mask-unmapped", "upcall mask unmapped"),
	CRASH("upcall", "mask-unmapped-wait", "upcall mask unmapped"),
	CRASH("upcall", "entry-unmapped", "page fault: execution of 0x600000"),
	{0},
};
