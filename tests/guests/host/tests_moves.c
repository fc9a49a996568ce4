/* SPDX-License-Identifier: MIT */
/* Properties that must hold while guests are preempted at any instruction and moved from worker to worker. */
#include <pthread.h>

#include "runner.h"

static void three(struct world *w, const struct test *t)
{
	uint64_t guests[3];
	for (int i = 0; i < 3; i++) {
		char name[32];
		snprintf(name, sizeof name, "g%d", i);
		guests[i] = spawn(w, name, t->image, t->args);
	}
	for (int i = 0; i < 3; i++)
		expect_exit(w, guests[i], 0, t->seconds);
	for (int i = 0; i < 3; i++)
		EXPECT_IS(cassin_engine_guest_remove(w->e, guests[i]), 0);
}

/* Three guests under test on two workers that are idle now and then, so that somebody moves; again until somebody
 * did. On a busy host that may take a while. */
static void moving(struct world *w, const struct test *t)
{
	uint64_t others[2];
	for (int i = 0; i < 2; i++) {
		char name[32];
		snprintf(name, sizeof name, "napper%d", i);
		others[i] = spawn(w, name, "hog", "nap");
	}
	uint64_t until = now_ns() + t->seconds * 500 * MS;
	do
		three(w, t);
	while (!(stats_of(w).moves && stats_of(w).preemptions) && now_ns() < until);
	EXPECT(stats_of(w).moves > 0);
	EXPECT(stats_of(w).preemptions > 0);
	for (int i = 0; i < 2; i++) {
		EXPECT_IS(status_of(w, others[i]).state, CASSIN_GUEST_RUNNING);
		EXPECT_IS(cassin_engine_guest_kill(w->e, others[i]), 0);
	}
}

/* Hogs on both workers; nobody is ever idle. */
static void among_hogs(struct world *w, const struct test *t)
{
	uint64_t hogs[3], guests[2];
	for (int i = 0; i < 3; i++) {
		char name[32];
		snprintf(name, sizeof name, "hog%d", i);
		hogs[i] = spawn(w, name, "hog", i ? "fault" : "spin");
	}
	guests[0] = spawn(w, "a", t->image, t->args);
	guests[1] = spawn(w, "b", t->image, t->args);
	for (int i = 0; i < 2; i++)
		expect_exit(w, guests[i], 0, t->seconds);
	for (int i = 0; i < 3; i++) {
		EXPECT_IS(status_of(w, hogs[i]).state, CASSIN_GUEST_RUNNING);
		EXPECT_IS(cassin_engine_guest_kill(w->e, hogs[i]), 0);
	}
}

/* ---- Calls to guests that are on their way ---- */

#define HOGS 7
#define CALLERS 8
#define CALLING_MS 3000u

struct caller {
	struct world *world;
	const uint64_t *ids;
	unsigned seed;
	uint64_t until;
	int failed; /* of the last call that had to succeed and did not */
};

static void *call_again_and_again(void *opaque)
{
	struct caller *c = opaque;
	struct cassin_error_text err;
	while (now_ns() < c->until && !c->failed) {
		uint64_t id = c->ids[(unsigned)rand_r(&c->seed) % HOGS];
		int r = rand_r(&c->seed) % 3 ? cassin_engine_guest_restart(c->world->e, id, &err)
					     : cassin_engine_guest_kill(c->world->e, id);
		if (r)
			c->failed = r;
	}
	return NULL;
}

/* A call that was posted while a guest was elsewhere, and lies in the inbox of the worker that it comes back to, must not
 * find it before it has arrived. */
static void called_on_the_way(struct world *w, const struct test *t)
{
	uint64_t ids[HOGS];
	pthread_t threads[CALLERS];
	struct caller callers[CALLERS];
	(void)t;
	for (unsigned i = 0; i < HOGS; i++) {
		char name[32];
		snprintf(name, sizeof name, "hog%u", i);
		ids[i] = spawn(w, name, "hog", "spin");
	}
	for (unsigned i = 0; i < CALLERS; i++) {
		callers[i] = (struct caller){.world = w, .ids = ids, .seed = i, .until = now_ns() + CALLING_MS * MS};
		EXPECT_IS(pthread_create(&threads[i], NULL, call_again_and_again, &callers[i]), 0);
	}
	for (unsigned i = 0; i < CALLERS; i++)
		pthread_join(threads[i], NULL);
	for (unsigned i = 0; i < CALLERS; i++)
		EXPECT_IS(callers[i].failed, 0);
	EXPECT(stats_of(w).moves > 0);
	expect_balance(w);
}

#define BOTH(what, image_, args_)                                                                                      \
	{.name = "moves." what, .run = moving, .image = image_, .args = args_, .seconds = 30},                         \
	{                                                                                                              \
		.name = "hogs." what, .run = among_hogs, .image = image_, .args = args_, .seconds = 30                 \
	}

const struct test tests_moves[] = {
	BOTH("remap", "paging", "remap 300"),
	BOTH("reprotect", "paging", "reprotect"),
	BOTH("many", "paging", "many"),
	BOTH("copy-on-write", "memory", "copy-on-write 500"),
	BOTH("zero", "memory", "zero 2048"),
	BOTH("registers", "hog", "registers 200"),
	BOTH("vectors", "vectors", "keep 200 99"),
	BOTH("tls", "hypercall", "tls"),
	BOTH("monotonic", "clock", "monotonic 500"),
	BOTH("timers", "clock", "timers"),
	{.name = "moves.called-on-the-way", .run = called_on_the_way, .workers = 4, .seconds = 30},
	BOTH("user-turns", "user-time", "turns 20"),
	BOTH("user-deadline", "user-time", "deadline 20"),
	BOTH("user-live", "user-spaces", "live 100"),
	BOTH("user-kernel-live", "user-spaces", "kernel-live 200"),
	BOTH("user-isolated", "user-spaces", "isolated"),
	BOTH("user-recycled", "user-spaces", "recycled 60"),
	BOTH("user-faults", "user-faults", "faults"),
	BOTH("upcall-keep", "upcall", "keep 100"),
	BOTH("upcall-over-user", "upcall", "over-user 20"),
	BOTH("upcall-completion", "upcall", "completion"),
	{0},
};
