/* SPDX-License-Identifier: MIT */
/* Boot, calls, pointers, rings. */
#include "runner.h"

/* The guest gets input once it says that its read is pending. */
static void with_input(struct world *w, const struct test *t)
{
	uint64_t id = spawn(w, "g", t->image, t->args);
	await_text(w, id, t->says);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "some input\n", 11), 11);
	expect_exit(w, id, 0, 0);
}

static void names_and_arguments(struct world *w, const struct test *t)
{
	struct cassin_guest_spec s = spec_of(w, "a-name.with_all-3", t->image, "one two three");
	free(s.args[1]);
	s.args[1] = strdup("");
	uint64_t id = spawn_spec(w, &s);
	expect_exit(w, id, 0, 0);
	expect_says("the console", console_of(w, id), "hello, I am a-name.with_all-3 [|] [one] [] [three] [end]");
	struct cassin_guest_spec copy;
	EXPECT_IS(cassin_engine_guest_spec(w->e, id, &copy), 0);
	EXPECT_IS(copy.nargs, 3);
	cassin_spec_free(&copy);
	EXPECT_IS(cassin_engine_guest_spec(w->e, id + 1000, &copy), -ENOENT);
	uint64_t found;
	EXPECT_IS(cassin_engine_guest_find(w->e, "a-name.with_all-3", &found), 0);
	EXPECT_IS(found, id);
	EXPECT_IS(cassin_engine_guest_find(w->e, "nobody", &found), -ENOENT);
}

/* Whatever they call and touch, they end as guests do, and others compute on. */
static void anything(struct world *w, const struct test *t)
{
	uint64_t ids[8], near = spawn(w, "near", "hog", "registers 200");
	for (unsigned round = 0; round < 6; round++) {
		for (unsigned i = 0; i < 8; i++) {
			char name[32], args[64];
			snprintf(name, sizeof name, "wild%u", i);
			snprintf(args, sizeof args, "%u 3000", 1 + 8 * round + i);
			ids[i] = spawn(w, name, t->image, args);
		}
		for (unsigned i = 0; i < 8; i++) {
			await_end(w, ids[i], 30);
			EXPECT_IS(cassin_engine_guest_remove(w->e, ids[i]), 0);
		}
	}
	expect_exit(w, near, 0, 30);
	expect_exit(w, spawn(w, "after", "memory", "zero 64"), 0, 0);
	expect_balance(w);
}

const struct test tests_calls[] = {
	{.name = "boot.names-and-arguments", .run = names_and_arguments, .image = "hello"},
	{.name = "boot.static-pie", .run = names_and_arguments, .image = "hello-pie"},
	PASS("start", "registers"),
	PASS("start", "vectors"),
	{.name = "start.record", .run = passes, .image = "start", .args = "record last"},
	PASS("start", "layout"),
	PASS("start", "numbers"),
	PASS("start", "limits"),
	PASS("start", "ready"),
	PASS("hypercall", "bad-number"),
	PASS("hypercall", "registers"),
	PASS("hypercall", "log"),
	PASS("hypercall", "info"),
	PASS("hypercall", "tls"),
	PASS("hypercall", "enter"),
	PASS("hypercall", "random"),
	PASS("hypercall", "time"),
	PASS("hypercall", "reserved"),
	PASS("hypercall", "skip-success"),
	PASS("hypercall", "null-segments"),
	PASS("hypercall", "without-stack"),
	{.name = "wild.anything", .run = anything, .image = "wild", .seconds = 90, .heavy = true},
	PASS("pointers", "calls"),
	PASS("pointers", "paging-calls"),
	PASS("pointers", "operations"),
	{.name = "pointers.console-read-unmapped",
	 .run = with_input,
	 .image = "pointers",
	 .args = "console-read-unmapped",
	 .says = "pending"},
	{.name = "pointers.entry-rewritten",
	 .run = with_input,
	 .image = "pointers",
	 .args = "entry-rewritten",
	 .says = "pending"},
	PASS("pointers", "recv-unmapped"),
	PASS("pointers", "recv-protected"),
	PASS("pointers", "recv-remapped"),
	PASS("pointers", "send-unmapped"),
	PASS("rings", "sizes"),
	PASS("rings", "indices"),
	PASS("rings", "not-its-own"),
	PASS("rings", "wrap"),
	PASS("rings", "busy"),
	PASS("rings", "again"),
	PASS("rings", "overlap"),
	PASS("rings", "unmapped-ring"),
	PASS("rings", "unmapped-submissions"),
	CRASH("rings", "unmapped-completions", "completion ring unmapped"),
	{.name = "rings.unmapped-completions-later",
	 .run = crashes,
	 .image = "rings",
	 .args = "unmapped-completions later",
	 .says = "completion ring unmapped"},
	CRASH("rings", "read-only-completions", "completion ring unmapped"),
	{0},
};
