/* SPDX-License-Identifier: MIT */
/* Hosts whose settings forbid or limit what guests run on. They change the settings of the machine, which is theirs; the last of them
 * for good. */
#include <cassin/sandbox.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engines.h"

#define OTHER_UID 54321
#define YAMA "/proc/sys/kernel/yama/ptrace_scope"

static void set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		fail("%s = %s: %s", path, value, strerror(errno));
	close(fd);
}

/* How a guest is tried. */
struct attempt {
	enum cassin_backend backend;
	bool user, sandbox; /* as an ordinary user; confined */
	const char *raised; /* the scope that Yama has from when the engine is there; NULL: as before */
	const char *crash;  /* it ends by this; NULL: well */
};

static void run_guest(struct world *w, const struct attempt *a)
{
	struct cassin_guest_spec s = spec_of(w, "g", "life", "exit 0");
	s.memory = UINT64_C(1) << 20;
	uint64_t id = spawn_spec(w, &s);
	if (a->crash)
		expect_crash(w, id, a->crash);
	else
		expect_exit(w, id, 0, 60);
}

/* In a process of its own: what the engine says that cannot be made, else nothing. */
static int attempt_here(struct world *w, const struct attempt *a, int out)
{
	struct cassin_error_text err = {""};
	struct cassin_sandbox *sandbox = NULL;
	struct cassin_engine_options options = {.workers = 1, .backend = a->backend};
	if (a->user && (setgid(OTHER_UID) || setuid(OTHER_UID)))
		fail("cannot become another user: %s", strerror(errno));
	if (a->sandbox && cassin_sandbox_create(&sandbox, CASSIN_SANDBOX_ON, &err))
		fail("sandbox: %s", err.text);
	options.sandbox = sandbox;
	if (cassin_engine_create(&w->e, &options, &err))
		return write(out, err.text, strlen(err.text)) < 0;
	if (a->raised)
		set(YAMA, a->raised);
	run_guest(w, a);
	cassin_engine_destroy(w->e);
	return 0;
}

static const char *attempt(struct world *w, const struct attempt *a)
{
	static char said[sizeof(struct cassin_error_text)];
	int pipes[2], status = 0;
	EXPECT_IS(pipe(pipes), 0);
	fflush(stdout);
	pid_t child = fork();
	if (!child) {
		status = attempt_here(w, a, pipes[1]);
		fflush(stdout);
		_exit(status);
	}
	close(pipes[1]);
	ssize_t n = read(pipes[0], said, sizeof said - 1);
	said[n > 0 ? n : 0] = '\0';
	close(pipes[0]);
	EXPECT_IS(waitpid(child, &status, 0), child);
	EXPECT_IS(status, 0);
	return said;
}

/* No engine is here when others are made. Everybody may reach the guests' files. */
static void prepare(struct world *w)
{
	if (chmod("/", 0755))
		fail("chmod: %s", strerror(errno));
	engine_end(w);
}

/* Guests run (says: NULL), or are refused so. */
static void expect_attempt(struct world *w, struct attempt a, const char *says)
{
	const char *said = attempt(w, &a);
	if (says ? !strstr(said, says) : *said)
		fail("as %s, %s: said \"%s\"", a.user ? "a user" : "root", a.sandbox ? "confined" : "unconfined", said);
}

#define ON_PROCESS(...) ((struct attempt){.backend = CASSIN_BACKEND_PROCESS, __VA_ARGS__})

/* As root and as a user, confined or not. */
static void expect_all(struct world *w, const char *says)
{
	for (unsigned i = 0; i < 4; i++)
		expect_attempt(w, ON_PROCESS(.user = i & 1, .sandbox = i & 2), says);
}

/* What is reserved counts: the pool is less, and guests run. */
static void overcommit(struct world *w, const struct test *t)
{
	(void)t;
	prepare(w);
	set("/proc/sys/vm/overcommit_memory", "2");
	expect_all(w, NULL);
	expect_attempt(w, (struct attempt){.backend = CASSIN_BACKEND_KVM}, NULL);
	set("/proc/sys/vm/overcommit_memory", "0");
}

static void mmap_min_addr(struct world *w, const struct test *t)
{
	(void)t;
	prepare(w);
	set("/proc/sys/vm/mmap_min_addr", "1048576");
	expect_all(w, NULL);
	set("/proc/sys/vm/mmap_min_addr", "16777216");      /* above where guests are linked */
	expect_attempt(w, ON_PROCESS(.user = false), NULL); /* root may, with a capability */
	expect_attempt(w, ON_PROCESS(.sandbox = true, .crash = "vm.mmap_min_addr"), NULL);
	expect_attempt(w, ON_PROCESS(.user = true, .sandbox = true, .crash = "vm.mmap_min_addr"), NULL);
	expect_attempt(w, (struct attempt){.backend = CASSIN_BACKEND_KVM}, NULL);
	set("/proc/sys/vm/mmap_min_addr", "65536");
}

static void few_mappings(struct world *w, const struct test *t)
{
	(void)t;
	prepare(w);
	set("/proc/sys/vm/max_map_count", "200");
	expect_all(w, NULL);
	set("/proc/sys/vm/max_map_count", "65530");
}

/* Yama's: 2 leaves tracing to root, who gives that up with the sandbox; 3 forbids it, until the host boots anew. */
static void yama(struct world *w, const struct test *t)
{
	char scope = '?';
	int fd = open(YAMA, O_RDONLY | O_CLOEXEC);
	(void)t;
	if (fd < 0 || read(fd, &scope, 1) != 1)
		fail("%s: %s: the kernel of this machine is to have Yama", YAMA, strerror(errno));
	if (scope == '3')
		fail(YAMA " is 3 already: this test has run in this machine before");
	close(fd);
	prepare(w);
	set(YAMA, "0");
	expect_all(w, NULL);
	set(YAMA, "1");
	expect_all(w, NULL);
	set(YAMA, "2");
	const char *two = "kernel.yama.ptrace_scope is 2: sudo sysctl kernel.yama.ptrace_scope=1";
	expect_attempt(w, ON_PROCESS(.sandbox = false), NULL);
	expect_attempt(w, ON_PROCESS(.sandbox = true), two);
	expect_attempt(w, ON_PROCESS(.user = true), two);
	expect_attempt(w, ON_PROCESS(.user = true, .sandbox = true), two);
	expect_attempt(w, ON_PROCESS(.raised = "3", .crash = "ptrace_scope?"), NULL);
	expect_all(w, "kernel.yama.ptrace_scope is 3, which holds until the host boots anew");
	expect_attempt(w, (struct attempt){.backend = CASSIN_BACKEND_KVM, .sandbox = true}, NULL);
}

#define OWN_MACHINE(what, function)                                                                                    \
	{                                                                                                              \
		.name = "host." what, .run = function, .seconds = 60, .own_machine = true                              \
	}

const struct test tests_host[] = {
	OWN_MACHINE("overcommit", overcommit),
	OWN_MACHINE("mmap-min-addr", mmap_min_addr),
	OWN_MACHINE("few-mappings", few_mappings),
	OWN_MACHINE("yama", yama),
	{0},
};
