/* SPDX-License-Identifier: MIT */
/* Process cells from outside: how many processes there are, at the host's limits too, and that none is left. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stubs.h"

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
	if (engine_make(w, options, &err))
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
	engine_end(w);
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
	EXPECT(geteuid() || all_mappings() > 46000);
	EXPECT(all_mappings() < 135000);
	EXPECT_IS(status_of(w, id).state, CASSIN_GUEST_RUNNING);
}

/* ---- The hypervisor killed ---- */

static _Noreturn void be_killed(struct world *w, int ready)
{
	struct cassin_error_text err = {0};
	struct cassin_engine_options options = {
		.workers = 2, .pool_bytes = POOL_DEFAULT, .backend = CASSIN_BACKEND_PROCESS};
	uint64_t ids[20];
	if (engine_make(w, options, &err))
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
	engine_end(w);
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

/* From here on, who asks for a signal at its parent's death waits until whoever has the descriptor says so. */
static int hold_at_death_signal(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offsetof(struct seccomp_data, args)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_PDEATHSIG, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {.len = sizeof code / sizeof *code, .filter = code};
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

/* Killed while a process that it has just made has not asked yet for a signal at its parent's death. */
static void orphaned_at_birth(struct world *w, const struct test *t)
{
	struct seccomp_notif asked = {0};
	struct cassin_error_text err;
	int status, *listener = mmap(NULL, sizeof *listener, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	(void)t;
	engine_end(w);
	EXPECT_IS(prctl(PR_SET_CHILD_SUBREAPER, 1), 0); /* an orphan becomes ours */
	pid_t parent = getpid(), child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (!child) {
		struct cassin_engine_options options = {
			.workers = 1, .pool_bytes = POOL_DEFAULT, .backend = CASSIN_BACKEND_PROCESS};
		end_with(parent);
		*(volatile int *)listener = hold_at_death_signal();
		engine_make(w, options, &err);
		_exit(1);
	}
	while (!*(volatile int *)listener)
		sleep_ms(1);
	EXPECT(*listener > 0);
	EXPECT_IS(ioctl(*listener, SECCOMP_IOCTL_NOTIF_RECV, &asked), 0);
	EXPECT_IS(kill(child, SIGKILL), 0);
	EXPECT_IS(waitpid(child, &status, 0), child);
	struct seccomp_notif_resp answer = {.id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
	EXPECT_IS(ioctl(*listener, SECCOMP_IOCTL_NOTIF_SEND, &answer), 0);
	pid_t ended = 0;
	for (int wait = 0; wait < 300 && !ended; wait++) {
		ended = waitpid((pid_t)asked.pid, &status, WNOHANG);
		sleep_ms(10);
	}
	if (!ended)
		kill((pid_t)asked.pid, SIGKILL);
	EXPECT_IS(ended, (pid_t)asked.pid);
}

/* ---- The hypervisor late ---- */

/* Its threads stand still for a second at a time, wherever they are: what guests do meanwhile is found behind it, and is right. */
static void late(struct world *w, const struct test *t)
{
	uint64_t ids[6];
	(void)t;
	ids[0] = spawn(w, "registers", "hog", "registers 60");
	ids[1] = spawn(w, "vectors", "vectors", "keep 60 99");
	ids[2] = spawn(w, "spaces", "user-spaces", "live 30");
	ids[3] = spawn(w, "faults", "user-faults", "faults");
	ids[4] = spawn(w, "upcalls", "upcall", "keep 30");
	ids[5] = spawn(w, "copies", "memory", "copy-on-write 200");
	pid_t late_one = getpid(), child = fork();
	if (!child) {
		end_with(late_one);
		for (unsigned i = 0; i < 3; i++) {
			kill(late_one, SIGSTOP);
			sleep_ms(1000);
			kill(late_one, SIGCONT);
			sleep_ms(30);
		}
		_exit(0);
	}
	for (unsigned i = 0; i < 6; i++)
		expect_exit(w, ids[i], 0, 60);
	int status = 0;
	EXPECT_IS(waitpid(child, &status, 0), child);
	EXPECT_IS(status, 0);
	EXPECT_IS(stats_of(w).crashes, 0);
}

const struct test tests_process_limits[] = {
	ON_PROCESS("none-left", none_left, .seconds = 60),
	ON_PROCESS("thousand", thousand, .seconds = 90),
	ON_PROCESS("killed-at-birth", killed_at_birth, .seconds = 60),
	ON_PROCESS("limited", limited, .seconds = 60),
	ON_PROCESS("mappings-left", mappings_left, .workers = 1, .seconds = 60),
	ON_PROCESS("mappings-of-spaces", mappings_of_spaces, .workers = 1, .seconds = 120),
	ON_PROCESS("orphaned", orphaned, .seconds = 30),
	ON_PROCESS("orphaned-at-birth", orphaned_at_birth, .seconds = 30),
	ON_PROCESS("late", late, .seconds = 60),
	ON_PROCESS("max-map-count", too_many_mappings, .image = "paging", .args = "every-second", .seconds = 120),
	{0},
};
