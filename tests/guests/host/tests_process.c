/* SPDX-License-Identifier: MIT */
/* Process cells from outside: what befalls the processes that guests run in. These run on process cells whatever runs the others. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stubs.h"

#define VA_END UINT64_C(0x8000000000) /* of guests */
#define PAGE_OF_OURS UINT64_C(0x7ff000000000)
#define OUR_PAGE "7ff000000000-7ff000001000 r-xs"

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

#define WORK_MOST 9u

/* Guests (images and arguments) do their work, again and again, while a thread sends signals to their processes. */
static void work_under(struct world *w, void *(*send)(void *), const char *const work[][2], unsigned n)
{
	struct sender sender = {0};
	pthread_t thread;
	EXPECT_IS(pthread_create(&thread, NULL, send, &sender), 0);
	uint64_t until = now_ns() + 8000 * MS;
	while (now_ns() < until) {
		uint64_t ids[WORK_MOST];
		for (unsigned i = 0; i < n; i++) {
			char name[32];
			snprintf(name, sizeof name, "g%u", i);
			ids[i] = spawn(w, name, work[i][0], work[i][1]);
		}
		for (unsigned i = 0; i < n; i++) {
			expect_exit(w, ids[i], 0, 60);
			EXPECT_IS(cassin_engine_guest_remove(w->e, ids[i]), 0);
		}
	}
	sender.stop = true;
	pthread_join(thread, NULL);
	EXPECT(sender.sent > 100);
}

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
	(void)t;
	work_under(w, send_signals, work, 9);
}

/* Signals of which a stub is told nothing, and which wait for it for ever. */
static void *send_blocked(void *opaque)
{
	struct sender *s = opaque;
	pid_t all[STUBS_MOST];
	while (!s->stop) {
		for (unsigned i = 0, n = stubs_of(getpid(), all, false); i < n; i++) {
			for (int signal = SIGRTMIN; signal < SIGRTMIN + 12; signal++)
				s->sent += !syscall(SYS_tgkill, all[i], all[i], signal);
		}
		sleep_ms(200);
	}
	return NULL;
}

/* Behind them a fault waits to be told, when a kick has come before: it is not overlooked. */
static void signals_waiting(struct world *w, const struct test *t)
{
	static const char *const work[][2] = {{"upcall", "keep 60"},     {"user-spaces", "live 60"},
					      {"user-faults", "faults"}, {"memory", "copy-on-write 200"},
					      {"paging", "reprotect"},   {"vectors", "keep 60 99"}};
	(void)t;
	await_text(w, spawn(w, "near", "hog", "fault"), "spinning"); /* so that kicks come often */
	work_under(w, send_blocked, work, 6);
}

/* One that the kernel sends in another's name, to the thread alone, and that waits for ever, is not a fault: kicks still count. */
static void told_of_input(struct world *w, const struct test *t)
{
	uint64_t id = spawn(w, "spins", "hog", "spin");
	struct f_owner_ex owner = {.type = F_OWNER_TID};
	int ends[2], told = 0;
	(void)t;
	await_text(w, id, "spinning");
	EXPECT_IS(pipe(ends), 0);
	for (unsigned i = 0, n = await_stubs(w, 1); i < n; i++) {
		owner.pid = stubs[i];
		EXPECT_IS(fcntl(ends[0], F_SETOWN_EX, &owner), 0);
		EXPECT_IS(fcntl(ends[0], F_SETSIG, SIGIO), 0); /* with what has happened as its code */
		EXPECT_IS(fcntl(ends[0], F_SETFL, O_ASYNC), 0);
		told += write(ends[1], "", 1) == 1;
	}
	EXPECT(told > 0);
	for (unsigned i = 0; i < 5; i++) {
		uint64_t other = spawn(w, "other", "memory", "zero 64");
		expect_exit(w, other, 0, 10);
		EXPECT_IS(cassin_engine_guest_remove(w->e, other), 0);
	}
	EXPECT_IS(status_of(w, id).state, CASSIN_GUEST_RUNNING);
}

static volatile sig_atomic_t handled;

static void on_signal(int signal)
{
	handled = signal;
}

/* The process that was made last in this machine; /proc tells it, and it may be anybody's. */
static pid_t newest_process(int loadavg)
{
	char text[128] = "";
	if (pread(loadavg, text, sizeof text - 1, 0) <= 0)
		fail("/proc/loadavg: %s", strerror(errno));
	char *last = strrchr(text, ' ');
	return last ? (pid_t)atoi(last + 1) : 0;
}

static bool is_ours(pid_t pid)
{
	char path[64], text[256] = "", state;
	int ppid = 0;
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	char *rest = n > 0 ? strrchr(text, ')') : NULL;
	return rest && sscanf(rest + 1, " %c %d", &state, &ppid) == 2 && ppid == getpid();
}

/* Signals to whatever process of ours has just begun. */
static void *meet_at_birth(void *opaque)
{
	struct sender *s = opaque;
	int loadavg = open("/proc/loadavg", O_RDONLY | O_CLOEXEC);
	while (!s->stop) {
		unsigned before = s->sent;
		pid_t last = newest_process(loadavg);
		for (pid_t pid = last; pid > last - 3; pid--) {
			if (is_ours(pid) && !kill(pid, SIGSEGV) && !kill(pid, SIGBUS) && !kill(pid, SIGSTOP))
				s->sent++;
		}
		if (s->sent != before)
			usleep(100); /* so that it gets anywhere */
	}
	close(loadavg);
	return NULL;
}

/* One that has not begun yet shares this process's memory and handlers: a signal to it must wait. */
static void signalled_at_birth(struct world *w, const struct test *t)
{
	struct sender sender = {0};
	pthread_t thread;
	(void)t;
	signal(SIGSEGV, on_signal);
	signal(SIGBUS, on_signal);
	EXPECT_IS(pthread_create(&thread, NULL, meet_at_birth, &sender), 0);
	for (unsigned i = 0; i < 150; i++) {
		uint64_t id = spawn(w, "g", "hello", NULL);
		expect_exit(w, id, 0, 30);
		EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
		unsigned n = find_stubs(); /* so that the next guest's is made anew */
		for (unsigned k = 0; k < n; k++)
			kill(stubs[k], SIGKILL);
	}
	sender.stop = true;
	pthread_join(thread, NULL);
	EXPECT(sender.sent > 100);
	EXPECT_IS(handled, 0);
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
	for (unsigned i = 0; i < 500 && n != 4; i++, n = find_stubs())
		sleep_ms(10); /* one that nobody needs any more is about to end */
	EXPECT_IS(n, 4);
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
		char byte;
		struct iovec here = {&byte, 1}, there = {(void *)PAGE_OF_OURS, 1};
		if (process_vm_readv(stubs[0], &here, 1, &there, 1, 0) >= 0 ||
		    process_vm_writev(stubs[0], &here, 1, &there, 1, 0) >= 0)
			_exit(6);
		int fd = (int)syscall(SYS_pidfd_open, stubs[0], 0);
		if (fd >= 0 && syscall(SYS_pidfd_getfd, fd, 3, 0) >= 0)
			_exit(7);
		_exit(0);
	}
	int status = 0;
	EXPECT_IS(waitpid(child, &status, 0), child);
	EXPECT_IS(status, 0);
}

/* ---- Where it runs ---- */

/* All threads of this process, which the operator moves to these CPUs; or whether all of them may run on those alone. */
static bool threads_keep_to(const cpu_set_t *cpus, bool move)
{
	DIR *d = opendir("/proc/self/task");
	bool all = true;
	if (!d)
		fail("/proc/self/task: %s", strerror(errno));
	for (struct dirent *e; (e = readdir(d));) {
		pid_t thread = (pid_t)atoi(e->d_name);
		cpu_set_t now, both;
		if (!thread || (move && sched_setaffinity(thread, sizeof *cpus, cpus)) ||
		    sched_getaffinity(thread, sizeof now, &now))
			continue;
		CPU_AND(&both, &now, cpus);
		all &= CPU_EQUAL(&both, &now);
	}
	closedir(d);
	return all;
}

static bool stubs_keep_to(const cpu_set_t *cpus, unsigned least)
{
	unsigned n = find_stubs(), found = 0;
	for (unsigned i = 0; i < n; i++) {
		cpu_set_t now;
		found += !sched_getaffinity(stubs[i], sizeof now, &now) && CPU_EQUAL(&now, cpus);
	}
	return found >= least;
}

/* A worker that moves between CPUs for its stubs' sake keeps to those that the operator has given it meanwhile. */
static void moved_by_the_operator(struct world *w, const struct test *t)
{
	uint64_t ids[3];
	cpu_set_t before, one;
	(void)t;
	EXPECT_IS(sched_getaffinity(0, sizeof before, &before), 0);
	spawn_some(w, ids, 3, "hog", "spin");
	for (unsigned i = 0; i < 3; i++)
		await_text(w, ids[i], "spinning");
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET((size_t)cpu, &before))
			continue;
		CPU_ZERO(&one);
		CPU_SET((size_t)cpu, &one);
		EXPECT(threads_keep_to(&one, true));
		for (unsigned i = 0; i < 30; i++) {
			sleep_ms(10);
			EXPECT(threads_keep_to(&one, false));
		}
		for (unsigned i = 0; i < 500 && !stubs_keep_to(&one, 3); i++)
			sleep_ms(10);
		EXPECT(stubs_keep_to(&one, 3));
	}
	threads_keep_to(&before, true);
	expect_exit(w, spawn(w, "after", "memory", "zero 64"), 0, 0);
}

const struct test tests_process[] = {
	ON_PROCESS("killed", killed, .seconds = 30),
	ON_PROCESS("killed-blank", killed_blank, .seconds = 30),
	ON_PROCESS("killed-all", killed_all, .seconds = 30),
	ON_PROCESS("signalled", signalled, .seconds = 120),
	ON_PROCESS("signals-waiting", signals_waiting, .workers = 1, .seconds = 120),
	ON_PROCESS("told-of-input", told_of_input, .workers = 1, .seconds = 40),
	ON_PROCESS("signalled-at-birth", signalled_at_birth, .seconds = 60),
	ON_PROCESS("looked-at", looked_at, .seconds = 20),
	ON_PROCESS("out-of-reach", out_of_reach, .seconds = 20),
	ON_PROCESS("moved-by-the-operator", moved_by_the_operator, .seconds = 60),
	{0},
};
