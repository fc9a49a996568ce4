/* SPDX-License-Identifier: MIT */
/* The C library of guests. */
#include "runner.h"

static void exits_with_7(struct world *w, const struct test *t)
{
	uint64_t id = spawn(w, t->image, t->image, t->args);
	expect_exit(w, id, 7, 0);
	expect_says("the console", console_of(w, id), t->says);
}

static void lines(struct world *w, const struct test *t)
{
	static const char text[] = "1 + 2\n40 + 2\n";
	uint64_t id = spawn(w, "g", t->image, t->args);
	await_text(w, id, "waiting");
	EXPECT_IS(cassin_engine_guest_input(w->e, id, text, sizeof text - 1), sizeof text - 1);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "", 0), 0);
	expect_exit(w, id, 0, 0);
	expect_says("the console", console_of(w, id), t->says);
}

/* It has said that it sleeps; soon it does: only who waits in the hypervisor is parked. */
static void sleeps(struct world *w, const struct test *t)
{
	uint64_t id = spawn(w, "g", t->image, t->args);
	int r;
	await_text(w, id, "sleeping");
	for (int i = 0; (r = cassin_engine_guest_park(w->e, id)) == -EBUSY && i < 2000; i++)
		sleep_ms(2);
	if (r)
		fail("it does not sleep: %s", console_of(w, id));
	EXPECT_IS(status_of(w, id).state, CASSIN_GUEST_RUNNING);
	EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
}

#define CALLS(what) PASS_IN("libc", "libc_calls", what)
#define THREADS(what) PASS_IN("libc", "libc_threads", what)
#define SECTION(what) PASS_IN("libc", "libc_sections", what)
#define SLEEPS(which)                                                                                                  \
	{                                                                                                              \
		.name = "libc.sleeps-" which, .run = sleeps, .image = "libc_calls", .args = "sleeps " which            \
	}

const struct test tests_libc[] = {
	CALLS("formats"),
	CALLS("numbers"),
	CALLS("memory"),
	CALLS("jumps"),
	CALLS("dates"),
	CALLS("files"),
	CALLS("stack"),
	SECTION("complex"),
	SECTION("characters"),
	SECTION("error-numbers"),
	SECTION("rounding"),
	SECTION("limits"),
	SECTION("widest-integers"),
	SECTION("locales"),
	SECTION("mathematics"),
	SECTION("long-doubles"),
	SECTION("jumps-to"),
	SECTION("signals"),
	SECTION("prints-integers"),
	SECTION("prints-floats"),
	SECTION("prints-long-doubles"),
	SECTION("prints-wide"),
	SECTION("scans"),
	SECTION("streams"),
	SECTION("converts"),
	SECTION("pseudo-random"),
	SECTION("searches"),
	SECTION("multibyte"),
	SECTION("strings"),
	SECTION("times"),
	SECTION("wide-strings"),
	SECTION("system-calls"),
	SLEEPS("0"),
	SLEEPS("1"),
	SLEEPS("2"),
	SLEEPS("3"),
	SLEEPS("4"),
	SLEEPS("5"),
	SLEEPS("6"),
	SLEEPS("7"),
	CALLS("periods"),
	CALLS("random"),
	PASS_IN("libc", "libc_aligned", "aligned-variables"),
	{.name = "libc.overflow",
	 .run = crashes,
	 .image = "libc_calls",
	 .args = "stack over",
	 .says = "page fault: write to|stack has overflowed|deep"},
	{.name = "libc.lines", .run = lines, .image = "libc_calls", .args = "lines", .says = "3\n42\nthe end"},
	{.name = "libc.ends", .run = exits_with_7, .image = "libc_calls", .args = "ends", .says = "first second third"},
	{.name = "libc.aborts", .run = panics, .image = "libc_calls", .args = "aborts", .says = "ended by signal 6"},
	THREADS("own-errno"),
	THREADS("own-variables"),
	THREADS("share"),
	{.name = "libc.last",
	 .run = exits_with_7,
	 .image = "libc_threads",
	 .args = "last",
	 .says = "late, and the end"},
	{0},
};
