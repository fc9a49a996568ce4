/* SPDX-License-Identifier: MIT */
/* Process cells from outside: what befalls the processes that guests run in. These run on process cells whatever runs the others. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner.h"

#define STUBS_MOST 2048u
#define OTHER_UID 54321
#define VA_END UINT64_C(0x8000000000) /* of guests */
#define OUR_PAGE "7ff000000000-7ff000001000 r-xs"

/* Those of a process, zombies included. */
static unsigned stubs_of(pid_t parent, pid_t *out, bool zombies)
{
	DIR *d = opendir("/proc");
	unsigned n = 0;
	if (!d)
		fail("/proc: %s", strerror(errno));
	for (struct dirent *e; (e = readdir(d)) && n < STUBS_MOST;) {
		char path[300], text[256] = "", state;
		int ppid;
		if (!isdigit((unsigned char)e->d_name[0]))
			continue;
		snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, text, sizeof text - 1) > 0) {
			char *rest = strrchr(text, ')');
			if (rest && sscanf(rest + 1, " %c %d", &state, &ppid) == 2 && ppid == parent &&
			    (state != 'Z' || zombies))
				out[n++] = (pid_t)atoi(e->d_name);
		}
		close(fd);
	}
	closedir(d);
	return n;
}

static pid_t stubs[STUBS_MOST];

static unsigned find_stubs(void)
{
	return stubs_of(getpid(), stubs, false);
}

/* Waits until there are as many: a guest that is on its way to another worker has none just then. */
static unsigned await_stubs_of(struct world *w, pid_t parent, pid_t *out, unsigned least)
{
	uint64_t until = now_ns() + 10000 * MS * w->slow;
	unsigned n;
	while ((n = stubs_of(parent, out, false)) < least) {
		if (now_ns() > until)
			fail("%u processes of guests, not %u", n, least);
		sleep_ms(5);
	}
	return n;
}

static unsigned await_stubs(struct world *w, unsigned least)
{
	return await_stubs_of(w, getpid(), stubs, least);
}

/* In a child: it goes with this process, however that ends. */
static void end_with(pid_t parent)
{
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(1);
}

static void spawn_some(struct world *w, uint64_t *ids, unsigned n, const char *image, const char *args)
{
	for (unsigned i = 0; i < n; i++) {
		char name[32];
		snprintf(name, sizeof name, "%s%u", image, i);
		struct cassin_guest_spec s = spec_of(w, name, image, args);
		s.memory = UINT64_C(1) << 20;
		ids[i] = spawn_spec(w, &s);
	}
}

/* ---- Ended from outside ---- */

static unsigned crashed(struct world *w, const uint64_t *ids, unsigned n, uint64_t *which)
{
	unsigned found = 0;
	for (unsigned i = 0; i < n; i++) {
		if (status_of(w, ids[i]).state == CASSIN_GUEST_CRASHED) {
			*which = ids[i];
			found++;
		}
	}
	return found;
}

static void killed(struct world *w, const struct test *t)
{
	uint64_t ids[6], which = 0;
	(void)t;
	spawn_some(w, ids, 6, "hog", "spin");
	for (unsigned i = 0; i < 6; i++)
		await_text(w, ids[i], "spinning");
	unsigned kills = 0;
	for (unsigned i = 0; i < 20 && !which; i++) {
		unsigned n = find_stubs(); /* fewer than guests, while some move */
		if (n)
			kills += !kill(stubs[i % n], SIGKILL); /* it may be a blank one, and nobody's end */
		for (unsigned wait = 0; wait < 100 && !crashed(w, ids, 6, &which); wait++)
			sleep_ms(5);
	}
	expect_crash(w, which, "its process|signal 9");
	EXPECT(crashed(w, ids, 6, &which) <= kills);
	expect_exit(w, spawn(w, "after", "memory", "zero 64"), 0, 0);
}

/* One that waits for the next guest is not that guest's end. */
static void killed_blank(struct world *w, const struct test *t)
{
	uint64_t ids[8];
	unsigned seen = 0;
	(void)t;
	for (int round = 0; round < 5; round++) {
		spawn_some(w, ids, 8, "life", "wait");
		for (unsigned i = 0; i < 8; i++)
			await_text(w, ids[i], "waiting");
		expect_balance(w);
		unsigned n = find_stubs(); /* a cell at rest keeps none */
		for (unsigned i = 0; i < n; i++)
			kill(stubs[i], SIGKILL);
		seen += n;
		expect_exit(w, spawn(w, "after", "memory", "zero 64"), 0, 0);
		expect_balance(w);
	}
	EXPECT(seen > 0);
}

/* All at once, while some sleep: each of the guests ends with a report when it is next to run. */
static void killed_all(struct world *w, const struct test *t)
{
	uint64_t ids[8];
	(void)t;
	spawn_some(w, ids, 8, "hog", "nap");
	for (unsigned i = 0; i < 8; i++)
		await_text(w, ids[i], "spinning");
	uint64_t which;
	for (unsigned wait = 0; wait < 200 && crashed(w, ids, 8, &which) < 8;
	     wait++) { /* some move, and have others then */
		unsigned n = find_stubs();
		for (unsigned i = 0; i < n; i++)
			kill(stubs[i], SIGKILL);
		sleep_ms(20);
	}
	for (unsigned i = 0; i < 8; i++)
		expect_crash(w, ids[i], "its process");
	expect_exit(w, spawn(w, "after", "memory", "zero 64"), 0, 0);
}

/* ---- Signals that change nothing ---- */

struct sender {
	atomic_bool stop;
	unsigned sent;
};

static void *send_signals(void *opaque)
{
	static const int signals[] = {SIGSTOP, SIGCONT, SIGSEGV, SIGTRAP, SIGTERM, SIGILL,
				      SIGFPE,  SIGBUS,  SIGSYS,  SIGTSTP, SIGUSR1, SIGALRM};
	struct sender *s = opaque;
	pid_t all[STUBS_MOST];
	unsigned seed = 3;
	while (!s->stop) {
		unsigned n = stubs_of(getpid(), all, false);
		for (unsigned i = 0; i < 200 && n && !s->stop; i++) {
			pid_t pid = all[(unsigned)rand_r(&seed) % n];
			int signal = signals[(unsigned)rand_r(&seed) % (sizeof signals / sizeof *signals)];
			if (rand_r(&seed) % 2)
				kill(pid, signal);
			else
				syscall(SYS_tgkill, pid, pid, signal);
			s->sent++;
			usleep((useconds_t)rand_r(&seed) % 500);
		}
	}
	return NULL;
}

static void signalled(struct world *w, const struct test *t)
{
	static const char *const work[][2] = {
		{"hog", "registers 60"},   {"vectors", "keep 60 99"}, {"paging", "reprotect"},
		{"memory", "zero 500"},    {"hypercall", "tls"},      {"user-spaces", "live 30"},
		{"user-faults", "faults"}, {"upcall", "keep 30"},     {"memory", "copy-on-write 200"}};
	struct sender sender = {0};
	pthread_t thread;
	(void)t;
	EXPECT_IS(pthread_create(&thread, NULL, send_signals, &sender), 0);
	uint64_t until = now_ns() + 8000 * MS;
	while (now_ns() < until) {
		uint64_t ids[9];
		for (unsigned i = 0; i < 9; i++) {
			char name[32];
			snprintf(name, sizeof name, "g%u", i);
			ids[i] = spawn(w, name, work[i][0], work[i][1]);
		}
		for (unsigned i = 0; i < 9; i++) {
			expect_exit(w, ids[i], 0, 60);
			EXPECT_IS(cassin_engine_guest_remove(w->e, ids[i]), 0);
		}
	}
	sender.stop = true;
	pthread_join(thread, NULL);
	EXPECT(sender.sent > 100);
}

/* ---- What a stub has ---- */

static unsigned count_folder(const char *path)
{
	DIR *d = opendir(path);
	unsigned n = 0;
	if (!d)
		fail("%s: %s", path, strerror(errno));
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

/* Nothing but pages of the cell's memory: below the guests' end, ours, and the vsyscall page that all processes have. */
static void look_at_maps(pid_t pid)
{
	char path[64], line[512];
	unsigned ours = 0;
	snprintf(path, sizeof path, "/proc/%d/maps", pid);
	FILE *f = fopen(path, "re");
	if (!f)
		fail("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof line, f)) {
		unsigned long long from, to;
		char rights[8];
		EXPECT_IS(sscanf(line, "%llx-%llx %7s", &from, &to, rights), 3);
		if (strstr(line, "[vsyscall]"))
			continue;
		bool is_ours = !strncmp(line, OUR_PAGE, strlen(OUR_PAGE));
		ours += is_ours;
		if (!strstr(line, "/memfd:cassin-cell") || rights[3] != 's' || (rights[1] == 'w' && rights[2] == 'x') ||
		    (!is_ours && to > VA_END))
			fail("a process of a guest has this: %s", line);
	}
	fclose(f);
	EXPECT_IS(ours, 1);
}

static void looked_at(struct world *w, const struct test *t)
{
	uint64_t ids[4];
	(void)t;
	spawn_some(w, ids, 4, "life", "wait");
	for (unsigned i = 0; i < 4; i++)
		await_text(w, ids[i], "waiting");
	unsigned n = await_stubs(w, 4);
	if (geteuid()) {
		printf("# maps and descriptors of a guest's process can only be looked at by root\n");
		char path[64];
		snprintf(path, sizeof path, "/proc/%d/mem", stubs[0]);
		EXPECT_IS(open(path, O_RDONLY), -1);
		return;
	}
	for (unsigned i = 0; i < n; i++) {
		char path[64], line[256] = "";
		snprintf(path, sizeof path, "/proc/%d/fd", stubs[i]);
		EXPECT_IS(count_folder(path), 1);
		look_at_maps(stubs[i]);
		snprintf(path, sizeof path, "/proc/%d/status", stubs[i]);
		FILE *f = fopen(path, "re");
		bool seccomp = false, privileges = false;
		while (f && fgets(line, sizeof line, f)) {
			seccomp |= !strcmp(line, "Seccomp:\t2\n");
			privileges |= !strcmp(line, "NoNewPrivs:\t1\n");
		}
		EXPECT(seccomp && privileges);
		fclose(f);
	}
}

/* Another user, and another process of the same user, cannot get at it. */
static void out_of_reach(struct world *w, const struct test *t)
{
	uint64_t id = spawn(w, "g", "life", "wait");
	(void)t;
	await_text(w, id, "waiting");
	await_stubs(w, 1);
	pid_t child = fork();
	if (!child) {
		char path[64];
		if (!geteuid() && (setgid(OTHER_UID) || setuid(OTHER_UID)))
			_exit(2);
		static const char *const files[] = {"mem", "maps", "environ", "syscall"};
		for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
			char byte;
			snprintf(path, sizeof path, "/proc/%d/%s", stubs[0], files[i]);
			int fd = open(path, O_RDONLY);
			if (fd >= 0 && read(fd, &byte, 1) > 0)
				_exit(3);
		}
		snprintf(path, sizeof path, "/proc/%d/fd/3", stubs[0]);
		if (open(path, O_RDWR) >= 0)
			_exit(4);
		if (!ptrace(PTRACE_SEIZE, stubs[0], 0, 0) || !ptrace(PTRACE_ATTACH, stubs[0], 0, 0))
			_exit(5);
		_exit(0);
	}
	int status = 0;
	EXPECT_IS(waitpid(child, &status, 0), child);
	EXPECT_IS(status, 0);
}

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
	cassin_engine_destroy(w->e);
	w->e = NULL;
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

/* A host's limit of processes, reached half way through many spawns: guests share those that there are. */
static void limited_here(struct world *w)
{
	static uint64_t ids[60];
	struct cassin_error_text err = {0};
	struct cassin_engine_options options = {
		.workers = 1, .pool_bytes = POOL_DEFAULT, .backend = CASSIN_BACKEND_PROCESS};
	struct rlimit limit = {30, 30};
	if (setgid(OTHER_UID) || setuid(OTHER_UID) || setrlimit(RLIMIT_NPROC, &limit))
		fail("cannot become another user: %s", strerror(errno));
	end_with(getppid()); /* the kernel has forgotten that */
	if (cassin_engine_create(&w->e, &options, &err))
		fail("engine: %s", err.text);
	spawn_some(w, ids, 60, "life", "wait");
	for (unsigned i = 0; i < 60; i++)
		await_text(w, ids[i], "waiting");
	EXPECT_IS(stats_of(w).running, 60);
	EXPECT(find_stubs() < 30);
	uint64_t more[12];
	for (unsigned i = 0; i < 12; i++) {
		char name[32];
		snprintf(name, sizeof name, "v%u", i);
		more[i] = spawn(w, name, i % 2 ? "vectors" : "user-spaces", i % 2 ? "keep 20 99" : "live 10");
	}
	for (unsigned i = 0; i < 12; i++)
		expect_exit(w, more[i], 0, 60);
	for (unsigned i = 0; i < 60; i++)
		EXPECT_IS(status_of(w, ids[i]).state, CASSIN_GUEST_RUNNING);
	cassin_engine_destroy(w->e);
}

static void in_child(struct world *w, void (*run)(struct world *w))
{
	int status = 0;
	cassin_engine_destroy(w->e);
	w->e = NULL;
	fflush(stdout);
	pid_t parent = getpid(), child = fork();
	if (!child) {
		end_with(parent);
		run(w);
		fflush(stdout);
		_exit(0);
	}
	EXPECT_IS(waitpid(child, &status, 0), child);
	EXPECT_IS(status, 0);
}

static void limited(struct world *w, const struct test *t)
{
	(void)t;
	if (geteuid())
		printf("# only root can become a user who has no other process\n");
	else
		in_child(w, limited_here);
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

/* ---- The hypervisor killed ---- */

static _Noreturn void be_killed(struct world *w, int ready)
{
	struct cassin_error_text err = {0};
	struct cassin_engine_options options = {
		.workers = 2, .pool_bytes = POOL_DEFAULT, .backend = CASSIN_BACKEND_PROCESS};
	uint64_t ids[20];
	if (cassin_engine_create(&w->e, &options, &err))
		fail("engine: %s", err.text);
	spawn_some(w, ids, 10, "hog", "spin");
	spawn_some(w, ids + 10, 10, "life", "wait");
	for (unsigned i = 0; i < 20; i++)
		await_text(w, ids[i], i < 10 ? "spinning" : "waiting");
	if (write(ready, "", 1) == 1)
		pause();
	_exit(1);
}

static void orphaned(struct world *w, const struct test *t)
{
	static pid_t theirs[STUBS_MOST];
	int ready[2];
	char byte;
	(void)t;
	cassin_engine_destroy(w->e);
	w->e = NULL;
	EXPECT_IS(pipe(ready), 0);
	pid_t parent = getpid(), child = fork();
	if (!child) {
		end_with(parent);
		be_killed(w, ready[1]);
	}
	close(ready[1]);
	EXPECT_IS(read(ready[0], &byte, 1), 1);
	unsigned n = await_stubs_of(w, child, theirs, 15), left = n; /* some of those that spin may be on their way */
	EXPECT_IS(kill(child, SIGKILL), 0);
	EXPECT_IS(waitpid(child, NULL, 0), child);
	for (int wait = 0; wait < 500 && left; wait++) {
		left = 0;
		for (unsigned i = 0; i < n; i++)
			left += !kill(theirs[i], 0);
		sleep_ms(10);
	}
	EXPECT_IS(left, 0);
}

#define ON_PROCESS(what, function, ...)                                                                                \
	{                                                                                                              \
		.name = "process." what, .run = function, .backend = CASSIN_BACKEND_PROCESS, __VA_ARGS__               \
	}

const struct test tests_process[] = {
	ON_PROCESS("killed", killed, .seconds = 30),
	ON_PROCESS("killed-blank", killed_blank, .seconds = 30),
	ON_PROCESS("killed-all", killed_all, .seconds = 30),
	ON_PROCESS("signalled", signalled, .seconds = 120),
	ON_PROCESS("looked-at", looked_at, .seconds = 20),
	ON_PROCESS("out-of-reach", out_of_reach, .seconds = 20),
	ON_PROCESS("none-left", none_left, .seconds = 60),
	ON_PROCESS("thousand", thousand, .seconds = 90),
	ON_PROCESS("killed-at-birth", killed_at_birth, .seconds = 60),
	ON_PROCESS("limited", limited, .seconds = 60),
	ON_PROCESS("orphaned", orphaned, .seconds = 30),
	ON_PROCESS("max-map-count", too_many_mappings, .image = "paging", .args = "every-second", .seconds = 120),
	{0},
};
