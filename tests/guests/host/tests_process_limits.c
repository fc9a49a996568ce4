/* SPDX-License-Identifier: MIT */
/* Process cells from outside: how many processes there are, at the host's limits too. */
#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stubs.h"

/* As docs/architecture.md tells. */
#define STUB_COST (UINT64_C(92) << 10)
#define MAPPING_COST UINT64_C(256)
#define WORKERS_FEW 3u
#define MAPPINGS_FEW 64u /* that a guest of these tests has at most if it does not say so */

/* ---- How many there are ---- */

/* Those that are kept for the next guests may stay: 32 for a worker. */
static void none_left(struct world *w, const struct test *t)
{
	uint64_t ids[100];
	(void)t;
	for (int round = 0; round < 3; round++) {
		spawn_some(w, ids, 100, "life", "wait");
		for (unsigned i = 0; i < 100; i++)
			await_text(w, ids[i], "waiting");
		await_stubs(w, 100);
		expect_balance(w);
	}
	for (int i = 0; i < 500 && stubs_of(getpid(), stubs, true) > 64; i++)
		sleep_ms(10);
	EXPECT(stubs_of(getpid(), stubs, true) <= 64);
	engine_end(w);
	EXPECT_IS(stubs_of(getpid(), stubs, true), 0);
}

static void thousand(struct world *w, const struct test *t)
{
	static uint64_t ids[1000];
	(void)t;
	spawn_some(w, ids, 1000, "life", "wait");
	for (unsigned i = 0; i < 1000; i++)
		await_text(w, ids[i], "waiting");
	EXPECT_IS(stats_of(w).running, 1000);
	for (unsigned i = 0; i < 1000; i += 100)
		EXPECT_IS(cassin_engine_guest_stop(w->e, ids[i], 5000 * MS), 0);
	for (unsigned i = 0; i < 1000; i += 100)
		await_end(w, ids[i], 10);
	EXPECT_IS(stats_of(w).crashes, 0);
}

static void *kill_all(void *opaque)
{
	struct world *w = opaque;
	for (uint64_t id = 2; id < 400; id++) {
		while (cassin_engine_guest_kill(w->e, id) == -ENOENT && w->e)
			usleep(20);
	}
	return NULL;
}

static void killed_at_birth(struct world *w, const struct test *t)
{
	pthread_t thread;
	(void)t;
	uint64_t first = spawn(w, "first", "life", "wait");
	EXPECT_IS(first, 2);
	EXPECT_IS(pthread_create(&thread, NULL, kill_all, w), 0);
	for (unsigned i = 0; i < 400; i++) {
		char name[32];
		snprintf(name, sizeof name, "g%u", i);
		spawn(w, name, i % 2 ? "hog" : "memory", i % 2 ? "spin" : "zero 64");
	}
	pthread_join(thread, NULL);
	EXPECT_IS(stats_of(w).crashes, 0);
	expect_exit(w, spawn(w, "after", "memory", "zero 64"), 0, 0);
}

static void expect_running(struct world *w, const uint64_t *ids, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		EXPECT_IS(status_of(w, ids[i]).state, CASSIN_GUEST_RUNNING);
}

/* Guests whose registers, vectors and spaces must be right end as they should, while others hold what processes there are. */
static void work_among(struct world *w)
{
	uint64_t ids[12];
	for (unsigned i = 0; i < 12; i++) {
		char name[32];
		snprintf(name, sizeof name, "v%u", i);
		ids[i] = spawn(w, name, i % 2 ? "vectors" : "user-spaces", i % 2 ? "keep 20 99" : "live 10");
	}
	for (unsigned i = 0; i < 12; i++)
		expect_exit(w, ids[i], 0, 60);
}

/* A host's limit of processes, reached half way through many spawns: guests share those that there are. */
static void share_few(struct world *w, unsigned limit)
{
	static uint64_t ids[60];
	spawn_some(w, ids, 60, "life", "wait");
	for (unsigned i = 0; i < 60; i++)
		await_text(w, ids[i], "waiting");
	EXPECT_IS(stats_of(w).running, 60);
	EXPECT(find_stubs() < limit);
	work_among(w);
	expect_running(w, ids, 60);
}

/* So that a limit of processes is for this test only. */
static void become_other(rlim_t processes)
{
	struct rlimit limit = {processes, processes};
	uid_t other = OTHER_UID;
	if (setgid(other) || setuid(other) || setrlimit(RLIMIT_NPROC, &limit))
		fail("cannot become another user: %s", strerror(errno));
	end_with(getppid()); /* the kernel has forgotten that */
}

static void limited_here(struct world *w)
{
	become_other(30);
	create_engine(w, 1);
	share_few(w, 30);
	cassin_engine_destroy(w->e);
}

/* Several workers, and not many more processes than those: one that has none gets one of another's. Threads count, too: of four
 * workers, and three more. */
static void limited_workers_here(struct world *w)
{
	static uint64_t ids[24];
	become_other(10);
	create_engine(w, 4);
	spawn_some(w, ids, 24, "hog", "spin");
	for (unsigned i = 0; i < 24; i++)
		await_text(w, ids[i], "spinning");
	EXPECT(find_stubs() < 4);
	work_among(w);
	expect_running(w, ids, 24);
	cassin_engine_destroy(w->e);
}

/* Each guest has a cell of its own, whose process is of no use to another. */
static void limited_cells_here(struct world *w)
{
	static uint64_t ids[20];
	become_other(16);
	create_engine(w, 2);
	for (unsigned i = 0; i < 20; i++) {
		char name[32];
		snprintf(name, sizeof name, "cell%u", i);
		struct cassin_guest_spec s = spec_of(w, name, i % 2 ? "hog" : "life", i % 2 ? "spin" : "wait");
		s.memory = UINT64_C(1) << 20;
		s.isolation = CASSIN_ISOLATION_VM;
		ids[i] = spawn_spec(w, &s);
	}
	for (unsigned i = 0; i < 20; i++)
		await_text(w, ids[i], i % 2 ? "spinning" : "waiting");
	EXPECT(find_stubs() < 16);
	work_among(w);
	expect_running(w, ids, 20);
	cassin_engine_destroy(w->e);
}

static void expect_no_engine(const char *why)
{
	struct cassin_engine *e;
	struct cassin_error_text err = {0};
	struct cassin_engine_options options = {.workers = 1, .backend = CASSIN_BACKEND_PROCESS};
	EXPECT_IS(cassin_engine_create(&e, &options, &err), -EAGAIN);
	expect_says("the error", err.text, why);
}

/* A sanitizer may have one of its own. */
static unsigned own_threads(void)
{
	unsigned n = 0;
	DIR *tasks = opendir("/proc/self/task");
	for (struct dirent *d; tasks && (d = readdir(tasks));)
		n += d->d_name[0] != '.';
	if (tasks)
		closedir(tasks);
	return n;
}

static void not_one_here(struct world *w)
{
	char why[48];
	unsigned few = own_threads() + 1; /* with the one that would make a process */
	(void)w;
	snprintf(why, sizeof why, "RLIMIT_NPROC (ulimit -u) is %u", few);
	become_other(few);
	expect_no_engine(why);
}

static void limited(struct world *w, const struct test *t)
{
	(void)t;
	in_child(w, limited_here);
}

static void limited_workers(struct world *w, const struct test *t)
{
	(void)t;
	in_child(w, limited_workers_here);
}

static void limited_cells(struct world *w, const struct test *t)
{
	(void)t;
	in_child(w, limited_cells_here);
}

static void not_one(struct world *w, const struct test *t)
{
	(void)t;
	in_child(w, not_one_here);
}

static const char *is_root(void)
{
	return geteuid() ? "only root can become a user who has no other process" : NULL;
}

/* ---- A control group's limit ---- */

static const char *const group_mounts[] = {"/sys/fs/cgroup/pids", "/sys/fs/cgroup"};
static char group[128];

static bool put_in(const char *dir, const char *name, unsigned value)
{
	char path[192];
	snprintf(path, sizeof path, "%s/%s", dir, name);
	FILE *f = fopen(path, "we");
	bool ok = f && fprintf(f, "%u\n", value) > 0;
	return f && !fclose(f) && ok;
}

static bool make_group(void)
{
	for (unsigned i = 0; i < sizeof group_mounts / sizeof *group_mounts; i++) {
		snprintf(group, sizeof group, "%s/cassin-test-%d", group_mounts[i], getpid());
		if (mkdir(group, 0755))
			continue;
		if (put_in(group, "pids.max", 1000))
			return true;
		rmdir(group);
	}
	return false;
}

static const char *has_groups(void)
{
	bool made = make_group();
	if (made)
		rmdir(group);
	return made ? NULL : "no control group with pids.max can be made here";
}

static void grouped_here(struct world *w)
{
	char why[32];
	unsigned few = own_threads() + 1;
	snprintf(why, sizeof why, "pids.max is %u", few);
	if (!put_in(group, "pids.max", few) || !put_in(group, "cgroup.procs", (unsigned)getpid()))
		fail("%s: %s", group, strerror(errno));
	expect_no_engine(why);
	EXPECT(put_in(group, "pids.max", 30));
	create_engine(w, 2);
	share_few(w, 30);
	EXPECT(put_in(group, "pids.max", 1)); /* no more, and those that there are end */
	uint64_t id = spawn(w, "late", "hog", "spin");
	for (unsigned i = 0; i < 1000 && status_of(w, id).state != CASSIN_GUEST_CRASHED; i++) {
		unsigned n = find_stubs();
		for (unsigned k = 0; k < n; k++)
			kill(stubs[k], SIGKILL);
		sleep_ms(10);
	}
	id = spawn(w, "later", "memory", "zero 64");
	expect_crash(w, id, "no process for it|pids.max is 30");
	EXPECT(put_in(group, "pids.max", 30));
	expect_exit(w, spawn(w, "after", "memory", "zero 64"), 0, 0);
	cassin_engine_destroy(w->e);
}

static void grouped(struct world *w, const struct test *t)
{
	(void)t;
	EXPECT(make_group());
	in_child(w, grouped_here);
	EXPECT_IS(rmdir(group), 0);
}

/* ---- The pool ---- */

static struct cassin_memory_account account_of(struct world *w)
{
	struct cassin_memory_account m;
	cassin_engine_account(w->e, &m);
	return m;
}

static bool is_cost_of(uint64_t bytes, unsigned n)
{
	return bytes >= n * STUB_COST && bytes <= n * (STUB_COST + MAPPINGS_FEW * MAPPING_COST);
}

/* A process is on somebody's account from its making to its end. */
static void charged(struct world *w, const struct test *t)
{
	uint64_t ids[20];
	(void)t;
	EXPECT(is_cost_of(account_of(w).processes, find_stubs()));
	spawn_some(w, ids, 20, "life", "wait");
	for (unsigned i = 0; i < 20; i++)
		await_text(w, ids[i], "waiting");
	unsigned n = await_stubs(w, 20);
	for (unsigned i = 0; i < 200 && !is_cost_of(account_of(w).processes, n); i++) {
		sleep_ms(10);
		n = find_stubs();
	}
	EXPECT(is_cost_of(account_of(w).processes, n));
	for (unsigned i = 0; i < 20; i++)
		EXPECT(is_cost_of(status_of(w, ids[i]).memory.processes, 1));
	EXPECT(stats_of(w).host_frames >= n * STUB_COST / 4096);
	expect_balance(w);
	for (unsigned i = 0; i < 500 && account_of(w).processes; i++) /* a cell at rest keeps none */
		sleep_ms(10);
	EXPECT_IS(account_of(w).processes, 0);
	for (unsigned i = 0; i < 100 && find_stubs(); i++)
		sleep_ms(10);
	EXPECT_IS(find_stubs(), 0);
}

/* What replaces a mapping is none more. */
static void replaced(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t id = spawn(w, "g", "paging", "reprotect 5000 stay");
	await_text(w, id, "done");
	EXPECT(status_of(w, id).memory.processes < STUB_COST + 5000 * MAPPING_COST);
}

/* A pool that has room for the guests, and not for a process of each: those that wait do without. */
static void pool_full(struct world *w, const struct test *t)
{
	static uint64_t ids[150];
	(void)t;
	spawn_some(w, ids, 150, "life", "wait");
	for (unsigned i = 0; i < 150; i++)
		await_text(w, ids[i], "waiting");
	EXPECT(find_stubs() < 120);
	uint64_t id = spawn(w, "after", "memory", "zero 1000"); /* its frames come from processes, too */
	expect_exit(w, id, 0, 30);
	work_among(w);
	expect_running(w, ids, 150);
	struct cassin_engine_stats s = stats_of(w);
	EXPECT(s.used_frames <= s.pool_frames + 64);
	EXPECT_IS(s.crashes, 0);
}

/* False: the pool has no room for it. */
static bool spawn_if_room(struct world *w, const char *name, uint64_t *id)
{
	struct cassin_error_text err = {0};
	struct cassin_guest_spec s = spec_of(w, name, "life", "wait");
	int r = cassin_engine_guest_spawn(w->e, &s, id, &err);
	cassin_spec_free(&s);
	if (r)
		expect_says("the error", err.text, "exhausted");
	return !r;
}

static unsigned long rounds_of(struct world *w, uint64_t id)
{
	const char *text = console_of(w, id), *last = strrchr(text, 'r');
	unsigned long n = 0;
	return last && sscanf(last, "round %lu", &n) == 1 ? n : 0;
}

/* Who is told that the pool is full is told so when no worker has a process that it can do without. */
static void told_full(struct world *w, const struct test *t)
{
	uint64_t id;
	unsigned n = 0;
	char name[32];
	(void)t;
	uint64_t busy = spawn(w, "busy", "paging", "scattered");
	await_text(w, busy, "round 3\n");
	for (; snprintf(name, sizeof name, "g%u", n), spawn_if_room(w, name, &id); n++) {
		while (!strstr(console_of(w, id), "waiting") && !status_of(w, id).needs_memory)
			sleep_ms(1);
	}
	EXPECT(n * STUB_COST > stats_of(w).pool_frames * 4096);
	EXPECT(account_of(w).processes <= 2 * WORKERS_FEW * STUB_COST); /* and mappings of the one that computes */
	n = 0; /* what its process has too many mappings for comes free now and then */
	while (n < 4 && snprintf(name, sizeof name, "late%u", n) > 0 && spawn_if_room(w, name, &id))
		n++;
	EXPECT(n < 4);
	unsigned long round = rounds_of(w, busy); /* that goes on, with few mappings at a time */
	while (rounds_of(w, busy) < round + 3)
		sleep_ms(1);
	EXPECT_IS(stats_of(w).crashes, 0);
}

/* More mappings than a process may have: the limit is met, and nobody notices. */
static void too_many_mappings(struct world *w, const struct test *t)
{
	struct cassin_guest_spec s = spec_of(w, "g", t->image, t->args);
	s.memory = UINT64_C(128) << 20; /* so that it may have the page tables */
	uint64_t id = spawn_spec(w, &s);
	expect_exit(w, spawn(w, "near", "memory", "copy-on-write 50"), 0, 0);
	expect_exit(w, id, 0, t->seconds);
}

static unsigned lines_of_maps(pid_t pid)
{
	char path[64], line[512];
	unsigned n = 0;
	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	FILE *f = fopen(path, "re");
	while (f && fgets(line, sizeof line, f))
		n++;
	if (f)
		fclose(f); /* it may have ended meanwhile */
	return n;
}

static unsigned all_mappings(void)
{
	unsigned all = 0;
	for (unsigned i = 0, n = find_stubs(); i < n; i++)
		all += lines_of_maps(stubs[i]);
	return all;
}

static uint64_t spawn_with_mappings(struct world *w, const char *args)
{
	struct cassin_guest_spec s = spec_of(w, "many", "user-spaces", args);
	s.memory = UINT64_C(256) << 20; /* so that it may have the page tables */
	uint64_t id = spawn_spec(w, &s), end = now_ns() + 90000 * MS * w->slow;
	while (!strstr(console_of(w, id), "mapped") && now_ns() < end) /* the kernel takes its time for each */
		sleep_ms(20);
	await_text(w, id, "mapped");
	return id;
}

/* What a guest leaves behind is not the next one's to take down: that takes the kernel 0.4 s for 65,530 mappings. */
static void mappings_left(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t near = spawn(w, "near", "hog", "spin"); /* so that the cell is not at rest, where none are kept */
	await_text(w, near, "spinning");
	uint64_t id = spawn_with_mappings(w, "many-mappings 10000 1");
	EXPECT(geteuid() || all_mappings() > 10000);
	EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
	await_end(w, id, 10);
	for (int i = 0; i < 500 && all_mappings() > 1000; i++)
		sleep_ms(10);
	EXPECT(all_mappings() <= 1000);
	expect_exit(w, spawn(w, "after", "memory", "zero 64"), 0, 0);
}

/* Each costs the host's kernel a quarter of a KiB, which the guest's own memory does not bound: its spaces can show one page at all
 * places. */
static void mappings_of_spaces(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t id = spawn_with_mappings(w, "many-mappings 46000 3");
	uint64_t bytes = status_of(w, id).memory.processes, most = 131072 + 2 * MAPPINGS_FEW;
	EXPECT(geteuid() || all_mappings() > 46000);
	EXPECT(all_mappings() < 135000);
	EXPECT(bytes > 46000 * MAPPING_COST && bytes < 3 * STUB_COST + most * MAPPING_COST);
	EXPECT_IS(status_of(w, id).state, CASSIN_GUEST_RUNNING);
}

const struct test tests_process_limits[] = {
	ON_PROCESS("none-left", none_left, .seconds = 60),
	ON_PROCESS("thousand", thousand, .seconds = 90),
	ON_PROCESS("killed-at-birth", killed_at_birth, .seconds = 60),
	ON_PROCESS("limited", limited, .seconds = 60, .cannot = is_root),
	ON_PROCESS("limited-workers", limited_workers, .seconds = 90, .cannot = is_root),
	ON_PROCESS("limited-cells", limited_cells, .seconds = 90, .cannot = is_root),
	ON_PROCESS("not-one", not_one, .cannot = is_root),
	ON_PROCESS("control-group", grouped, .seconds = 90, .cannot = has_groups),
	ON_PROCESS("charged", charged, .seconds = 30),
	ON_PROCESS("replaced", replaced, .seconds = 60),
	ON_PROCESS("pool-full", pool_full, .seconds = 60, .pool = UINT64_C(14) << 20),
	ON_PROCESS("told-full", told_full, .workers = WORKERS_FEW, .seconds = 60, .memory_wait_ms = 600000,
		   .pool = UINT64_C(14) << 20),
	ON_PROCESS("mappings-left", mappings_left, .workers = 1, .seconds = 60),
	ON_PROCESS("mappings-of-spaces", mappings_of_spaces, .workers = 1, .seconds = 120),
	ON_PROCESS("max-map-count", too_many_mappings, .image = "paging", .args = "every-second", .seconds = 120),
	{0},
};
