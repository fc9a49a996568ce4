/* SPDX-License-Identifier: MIT */
/* Pages: mapped, copied, recycled, refused. */
#include <unistd.h>

#include "runner.h"

/* Guests one after the other get each other's frames and roots; each must find zero and its image as it was. */
static void recycling(struct world *w, const struct test *t)
{
	(void)t;
	for (int i = 0; i < 150; i++) {
		char name[32];
		snprintf(name, sizeof name, "g%d", i);
		uint64_t a = spawn(w, name, "memory", i % 3 ? "zero 256" : "copy-on-write 1");
		uint64_t b = spawn(w, "b", "memory", i % 2 ? "zero 512" : "copy-on-write 1");
		if (i % 10 == 9) {
			EXPECT_IS(cassin_engine_guest_kill(w->e, a), 0);
		} else {
			expect_exit(w, a, 0, 0);
		}
		expect_exit(w, b, 0, 0);
		EXPECT_IS(cassin_engine_guest_remove(w->e, a), 0);
		EXPECT_IS(cassin_engine_guest_remove(w->e, b), 0);
	}
}

/* KVM has shadows of page tables, which outlive them until the cell is flushed; where there is none nothing need be. */
static bool has_shadows(const struct world *w)
{
	return !strcmp(cassin_engine_backend(w->e), "kvm");
}

/* Many table frames die and come back: the cell is flushed on the way, under running guests. */
static void recycling_through_flushes(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t flushes = stats_of(w).flushes;
	uint64_t near = spawn(w, "near", "paging", "remap 1000");
	int rounds = has_shadows(w) ? 60 : 8;
	for (int i = 0; i < rounds && stats_of(w).flushes == flushes; i++) {
		uint64_t ids[8];
		for (int k = 0; k < 8; k++) {
			char name[32];
			snprintf(name, sizeof name, "g%d", k);
			ids[k] = spawn(w, name, "paging", k % 2 ? "spaces" : "many");
		}
		for (int k = 0; k < 8; k++) {
			expect_exit(w, ids[k], 0, 30);
			EXPECT_IS(cassin_engine_guest_remove(w->e, ids[k]), 0);
		}
	}
	EXPECT_IS(stats_of(w).flushes > flushes, has_shadows(w));
	expect_exit(w, near, 0, 60);
}

/* However many live entries a guest changes, its neighbours keep their translations. */
static void changes_without_flushes(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t near = spawn(w, "near", "life", "read"), flushes = stats_of(w).flushes;
	expect_exit(w, spawn(w, "g", "paging", "reprotect-many"), 0, 0);
	EXPECT_IS(stats_of(w).flushes, flushes);
	EXPECT_IS(cassin_engine_guest_remove(w->e, near), 0);
}

/* A guest whose page tables die without end has its cell flushed, but waits before it may cause more than its ration. */
static void rationed_flushes(struct world *w, const struct test *t)
{
	const uint64_t every = 50 * MS, burst = 4;
	struct cassin_guest_spec s = spec_of(w, "g", "paging", "tables-storm");
	(void)t;
	s.memory = UINT64_C(512) << 20;
	uint64_t near = spawn(w, "near", "life", "read"), from = now_ns(), flushes = stats_of(w).flushes;
	expect_exit(w, spawn_spec(w, &s), 0, 30);
	uint64_t caused = stats_of(w).flushes - flushes;
	if (has_shadows(w))
		EXPECT(caused >= 40);
	else
		EXPECT_IS(caused, 0);
	EXPECT(caused <= (now_ns() - from) / every + burst + 2);
	EXPECT_IS(cassin_engine_guest_remove(w->e, near), 0);
}

static uint64_t large_space(struct world *w, const char *name)
{
	struct cassin_guest_spec s = spec_of(w, name, "paging", "large-space");
	s.memory = UINT64_C(4) << 30;
	uint64_t id = spawn_spec(w, &s);
	await_text(w, id, "built");
	while (status_of(w, id).counters.table_frames < 16000) /* counted when its turn ends */
		sleep_ms(1);
	return id;
}

/* The call that gives thousands of page tables back goes on in the guest's next turns: it has caused more flushes than its ration. It
 * may end in the middle. */
static void space_in_pieces(struct world *w, const struct test *t)
{
	(void)t;
	for (int killed = 0; killed < 2; killed++) {
		uint64_t id = large_space(w, killed ? "killed" : "large");
		uint64_t turns = status_of(w, id).counters.dispatches;
		EXPECT_IS(cassin_engine_guest_input(w->e, id, "x\n", 2), 2);
		if (killed) {
			while (status_of(w, id).counters.table_frames > 16000)
				sleep_ms(1);
			EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
			EXPECT_IS(status_of(w, id).counters.table_frames, 0);
			continue;
		}
		await_text(w, id, "destroyed");
		if (has_shadows(w))
			EXPECT(status_of(w, id).counters.dispatches >= turns + 3);
		EXPECT_IS(cassin_engine_guest_input(w->e, id, "x\n", 2), 2);
		expect_exit(w, id, 0, 20);
	}
}

static uint64_t spawn_in(struct world *w, const char *domain, const char *name, const char *image, const char *args)
{
	struct cassin_guest_spec s = spec_of(w, name, image, args);
	free(s.domain);
	s.domain = strdup(domain);
	s.memory = UINT64_C(32) << 20;
	return spawn_spec(w, &s);
}

/* The pool is used up but for page tables of the dead, which lie in a cell that is never at rest. */
static void quarantine_of_others(struct world *w, const struct test *t)
{
	char args[32], name[16];
	(void)t;
	await_text(w, spawn_in(w, "theirs", "near", "hog", "spin"), "spinning");
	for (int i = 0; i < 4; i++) {
		snprintf(name, sizeof name, "dead-%d", i);
		uint64_t id = spawn_in(w, "theirs", name, "memory", "tables");
		expect_crash(w, id, "quota exhausted");
		EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	}
	uint64_t eater = spawn_in(w, "ours", "first", "memory", "eat 4 stay");
	await_text(w, eater, "full");
	struct cassin_engine_stats before = stats_of(w);
	uint64_t dead = before.quarantined_frames, free = before.pool_frames - before.used_frames;
	EXPECT(dead > 400);
	snprintf(args, sizeof args, "eat %llu stay", (unsigned long long)(free + dead / 2) * 4);
	await_text(w, spawn_in(w, "ours", "g", "memory", args), "full");
	struct cassin_engine_stats after = stats_of(w);
	EXPECT(after.quarantined_frames < dead);
	EXPECT_IS(after.flushes > before.flushes, has_shadows(w));
	EXPECT(after.flushes <= before.flushes + 2);
}

static void copies_of_their_own(struct world *w, const struct test *t)
{
	uint64_t ids[6];
	(void)t;
	for (int i = 0; i < 6; i++) {
		char name[32];
		snprintf(name, sizeof name, "g%d", i);
		ids[i] = spawn(w, name, "memory", "copy-on-write 300");
	}
	for (int i = 0; i < 6; i++)
		expect_exit(w, ids[i], 0, 0);
}

/* One guest eats the pool; it ends, its neighbour goes on, and the memory is there again. */
static void pool_exhausted(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t near = spawn(w, "near", "life", "read");
	await_text(w, near, "reading");
	for (int i = 0; i < 2; i++) {
		struct cassin_guest_spec s = spec_of(w, "eater", "memory", "eat");
		s.memory = UINT64_C(64) << 20;
		uint64_t id = spawn_spec(w, &s);
		expect_crash(w, id, "pool exhausted");
		EXPECT_IS(cassin_engine_guest_input(w->e, near, "x\n", 2), 2);
		EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	}
	EXPECT_IS(cassin_engine_guest_input(w->e, near, "", 0), 0);
	expect_exit(w, near, 0, 0);
	expect_says("the console", console_of(w, near), "read: x|end of input");
	expect_exit(w, spawn(w, "after", "memory", "zero 4096"), 0, 0);
}

/* No memory for one more guest: its spawn is refused, with the reason, and what runs is not touched. */
static void spawn_refused(struct world *w, const struct test *t)
{
	struct cassin_guest_spec s = spec_of(w, "eater", "memory", "eat 30000 stay");
	struct cassin_error_text err = {0};
	uint64_t ids[4096], n = 0;
	int r = 0;
	(void)t;
	s.memory = UINT64_C(64) << 20;
	uint64_t eater = spawn_spec(w, &s);
	await_text(w, eater, "full");
	while (!r && n < sizeof ids / sizeof *ids) {
		char name[32];
		snprintf(name, sizeof name, "g%llu", (unsigned long long)n);
		s = spec_of(w, name, "life", "sleep");
		r = cassin_engine_guest_spawn(w->e, &s, &ids[n], &err);
		cassin_spec_free(&s);
		if (!r)
			await_text(w, ids[n++], "sleeping");
	}
	EXPECT_IS(r, -ENOMEM);
	expect_says("the error", err.text, "pool|exhausted");
	EXPECT_IS(status_of(w, eater).state, CASSIN_GUEST_RUNNING);
	for (uint64_t i = 0; i < n; i++)
		EXPECT_IS(status_of(w, ids[i]).state, CASSIN_GUEST_RUNNING);
	EXPECT_IS(cassin_engine_guest_kill(w->e, eater), 0);
	expect_exit(w, spawn(w, "after", "hello", NULL), 0, 0);
}

static void smallest(struct world *w, const struct test *t)
{
	struct cassin_error_text err = {0};
	uint64_t id;
	(void)t;
	struct cassin_guest_spec s = spec_of(w, "small", "hello", NULL);
	s.memory = UINT64_C(160) << 10;
	id = spawn_spec(w, &s);
	expect_exit(w, id, 0, 0);
	s = spec_of(w, "too-small", "pointers", NULL);
	s.memory = CASSIN_MEMORY_MIN;
	int r = cassin_engine_guest_spawn(w->e, &s, &id, &err);
	EXPECT(r < 0);
	expect_says("the error", err.text, "memory");
	cassin_spec_free(&s);
}

/* Six pages of stack and heap less, and a guest that wants them all. */
static void quota(struct world *w, const struct test *t)
{
	struct cassin_guest_spec s = spec_of(w, "g", "memory", "eat");
	(void)t;
	s.memory = UINT64_C(4) << 20;
	uint64_t id = spawn_spec(w, &s);
	expect_exit(w, id, 0, 0);
	s = spec_of(w, "h", "memory", "eat 4096");
	s.memory = UINT64_C(4) << 20;
	id = spawn_spec(w, &s);
	expect_crash(w, id, "page fault: write to|not mapped");
}

/* A long spec is on its guest's account: its texts, and each port, as it is written and as it is bound. */
static void spec_counted(struct world *w, const struct test *t)
{
	const size_t nports = 48, nargs = 30;
	(void)t;
	uint64_t plain = status_of(w, spawn(w, "plain", "life", "sleep")).memory.guests;
	struct cassin_guest_spec s = spec_of(w, "long", "life", "sleep");
	s.args = realloc(s.args, nargs * sizeof *s.args);
	while (s.nargs < nargs)
		s.args[s.nargs++] = strdup("an argument of some length, which counts");
	s.ports = calloc(nports, sizeof *s.ports);
	for (; s.nports < nports; s.nports++) {
		if (s.nports % 2)
			snprintf(s.ports[s.nports].host, sizeof s.ports[0].host, "unix:/tmp/cassin-%d-%zu",
				 (int)getpid(), s.nports);
		else
			snprintf(s.ports[s.nports].host, sizeof s.ports[0].host, "tcp:127.0.0.1:%u", tcp_free_port());
		s.ports[s.nports].guest = (uint16_t)(s.nports + 1);
	}
	uint64_t id = spawn_spec(w, &s), most = nports * 1024 + nargs * 128;
	uint64_t more = status_of(w, id).memory.guests - plain;
	EXPECT(more >= nports * (CASSIN_ENDPOINT_MAX + 16) + nports / 2 * 512 + nargs * 48);
	EXPECT(more <= most);
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
}

/* What the host needs to remember where pages are is the guest's, too, as little of its quota as that is. */
static void far(struct world *w, const struct test *t)
{
	const uint64_t quota = UINT64_C(64) << 30, numbered = quota / 4096 / 64 * sizeof(void *);
	struct cassin_guest_spec s = spec_of(w, "g", "memory", "far");
	(void)t;
	s.memory = quota;
	uint64_t id = spawn_spec(w, &s);
	await_text(w, id, "touched");
	EXPECT(status_of(w, id).memory.guests >= numbered);
	EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
	EXPECT(status_of(w, id).memory.guests < numbered / 64);
}

/* Whether one more such guest had room. */
static bool another(struct world *w, int number)
{
	char name[32];
	snprintf(name, sizeof name, "g%d", number);
	struct cassin_guest_spec s = spec_of(w, name, "memory", "far");
	s.memory = UINT64_C(64) << 30;
	struct cassin_error_text err;
	uint64_t id;
	int r = cassin_engine_guest_spawn(w->e, &s, &id, &err);
	cassin_spec_free(&s);
	if (r) {
		EXPECT_IS(r, -ENOMEM);
		return false;
	}
	while (!strstr(console_of(w, id), "touched")) {
		if (status_of(w, id).state == CASSIN_GUEST_CRASHED) {
			expect_crash(w, id, "pool exhausted");
			return false;
		}
		sleep_ms(5);
	}
	return true;
}

/* So the pool bounds it. */
static void far_beyond_the_pool(struct world *w, const struct test *t)
{
	int n = 0;
	(void)t;
	while (n < 16 && another(w, n))
		n++;
	EXPECT(n >= 8 && n < 16);
}

const struct test tests_memory[] = {
	PASS("memory", "zero"),
	PASS("memory", "copy-on-write"),
	PASS("memory", "hypervisor-write"),
	PASS("memory", "allocate"),
	{.name = "memory.copies-of-their-own", .run = copies_of_their_own},
	CRASH("memory", "tables", "quota exhausted"),
	{.name = "memory.quota", .run = quota},
	{.name = "memory.smallest", .run = smallest},
	{.name = "memory.spec-counted", .run = spec_counted},
	{.name = "memory.far", .run = far},
	{.name = "memory.far-beyond-the-pool",
	 .run = far_beyond_the_pool,
	 .pool = UINT64_C(32) << 20,
	 .memory_wait_ms = 200},
	{.name = "memory.pool-exhausted", .run = pool_exhausted, .pool = UINT64_C(32) << 20, .memory_wait_ms = 200},
	{.name = "memory.spawn-refused", .run = spawn_refused, .pool = UINT64_C(32) << 20},
	{.name = "memory.recycling", .run = recycling, .seconds = 40},
	{.name = "memory.recycling-one-worker", .run = recycling, .seconds = 40, .workers = 1},
	{.name = "memory.recycling-through-flushes", .run = recycling_through_flushes, .seconds = 60},
	{.name = "memory.changes-without-flushes", .run = changes_without_flushes, .workers = 1},
	{.name = "memory.rationed-flushes", .run = rationed_flushes, .seconds = 40, .pool = UINT64_C(4) << 20},
	{.name = "memory.space-in-pieces", .run = space_in_pieces, .workers = 1},
	{.name = "memory.quarantine-of-others", .run = quarantine_of_others, .pool = UINT64_C(16) << 20},
	PASS("paging", "codes"),
	PASS("paging", "aliases"),
	PASS("paging", "image-aliases"),
	CRASH("paging", "unmapped-read", "page fault: read of"),
	CRASH("paging", "unmapped-write", "page fault: write to"),
	CRASH("paging", "protected-write", "page fault: write to"),
	CRASH("paging", "protected-data", "page fault: write to"),
	PASS("paging", "writable-constant"),
	CRASH("paging", "executed-after-write", "page fault: write to"),
	CRASH("paging", "door-rewritten-first", "forbidden port or form"),
	CRASH("paging", "door-rewritten-last", "forbidden port or form"),
	PASS("paging", "remap"),
	PASS("paging", "reprotect"),
	PASS("paging", "reprotect-many"),
	PASS("paging", "many"),
	CRASH("paging", "many-write", "page fault: write to"),
	CRASH("paging", "many-read", "page fault: read of"),
	PASS("paging", "spaces"),
	PASS("paging", "without-info"),
	{0},
};
