/* SPDX-License-Identifier: MIT */
/* guest-tests: runs the tests, each in a process of its own, and prints TAP. */
#include <fcntl.h>
#include <fnmatch.h>
#include <getopt.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engines.h"

#define SECONDS_DEFAULT 60u
#define TESTS_MOST 1024u

static const struct test *const lists[] = {
	tests_calls,          tests_faults,       tests_memory, tests_processor, tests_life,
	tests_streams,        tests_ports,        tests_debug,  tests_trace,     tests_crowd,
	tests_moves,          tests_park,         tests_pieces, tests_user,      tests_kernel,
	tests_processes,      tests_libc,         tests_files,  tests_process,   tests_process_limits,
	tests_process_storms, tests_process_ends, tests_host,   tests_want,      tests_errors};

static uint64_t pool_bytes;
static bool own_machine;      /* the tests may change it */
static bool light;            /* without those that are heavy */
static bool may_trace = true; /* else tests of process cells are left out, which is said */
static unsigned part, parts = 1;
static bool again; /* what fails by chance, in a machine that stands still now and then, gets a second try */

static const char usage_text[] =
	"usage: guest-tests [-l | --checks] [-v] [--dir DIR] [--pool SIZE] [--own-machine] [--again] [--light] "
	"[--part I/N] [--sandbox MODE] [NAME-GLOB...]\n"
	"  -l           list the tests\n"
	"  --checks     list those that need no more than an image and arguments, for cassin conformance:\n"
	"               name, image, exit code, arguments\n"
	"  -v           show crash reports\n"
	"  --dir DIR    where the guests' ELF files are (default: beside this program)\n"
	"  --pool SIZE  memory for guests of each test (default 256M)\n"
	"  --own-machine  also tests that change the machine: its clock and its settings\n"
	"  --again      a test that fails is run once more, unless it brought the engine down\n"
	"  --light      without those that have much to do, but nothing with what runs guest code; they are named\n"
	"  --sandbox MODE  of the engines' threads: on (default, but off where a sanitizer is built in), log, off\n"
	"  --part I/N   of N parts, which together are all tests, the I-th\n"
	"CASSIN_TEST_SLOW=N multiplies all time limits. CASSIN_BACKEND=kvm|process: what runs them.\n";

static bool is_left_out(const struct test *t)
{
	const char *why = t->cannot ? t->cannot() : NULL;
	if (why)
		printf("# %s is left out: %s\n", t->name, why);
	return why;
}

static size_t select_tests(const struct test **out, char **globs, bool to_run)
{
	size_t n = 0, of_all = 0;
	for (size_t l = 0; l < sizeof lists / sizeof *lists; l++) {
		for (const struct test *t = lists[l]; t->name; t++) {
			bool wanted = !*globs;
			for (char **g = globs; *g && !wanted; g++)
				wanted = !fnmatch(*g, t->name, 0);
			if (!wanted || (t->own_machine && !own_machine) || (t->backend && !may_trace) ||
			    (to_run && is_left_out(t)))
				continue;
			if (of_all++ % parts != part)
				continue;
			if (light && t->heavy) {
				printf("# left out, for --light: %s\n", t->name);
				continue;
			}
			if (n == TESTS_MOST) {
				fprintf(stderr, "guest-tests: more than %u tests: raise TESTS_MOST\n", TESTS_MOST);
				exit(1);
			}
			out[n++] = t;
		}
	}
	return n;
}

/* In the test's own process: an engine, one guest to know what an empty cell holds, the test, the balance. */
static _Noreturn void run_here(struct world *w, const struct test *t)
{
	struct cassin_error_text err = {0};
	struct cassin_engine_options options = {
		.workers = t->workers ? t->workers : 2,
		.pool_bytes = t->pool ? t->pool : pool_bytes,
		.memory_wait_ns = t->memory_wait_ms * MS,
	};
	if (t->backend)
		options.backend = t->backend;
	else if (cassin_backend_default(&options.backend, &err))
		fail("%s", err.text);
	int r = engine_make(w, options, &err);
	if (r)
		fail("engine: %s (%s)", err.text, strerror(-r));
	expect_exit(w, spawn(w, "first", "hello", NULL), 0, 0);
	expect_balance(w);
	struct cassin_engine_stats before = stats_of(w);
	t->run(w, t);
	if (w->e) {
		expect_balance(w);
		EXPECT_IS(stats_of(w).workers, before.workers);
	}
	engine_end(w);
	fflush(stdout);
	exit(0);
}

static int wait_for(pid_t pid, uint64_t limit_ns)
{
	uint64_t end = now_ns() + limit_ns;
	int status;
	for (;;) {
		pid_t r = waitpid(pid, &status, WNOHANG);
		if (r == pid)
			return status;
		if (now_ns() > end) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return -1;
		}
		sleep_ms(2);
	}
}

/* Who asks for KVM has the tests of process cells elsewhere. */
static bool on_kvm_only(void)
{
	const char *backend = getenv("CASSIN_BACKEND");
	bool only = backend && !strcmp(backend, "kvm");
	if (only)
		puts("# the tests process.* are left out: CASSIN_BACKEND=kvm");
	return only;
}

/* Whether there can be process cells, asked of an engine in a process of its own; says why not. */
static bool find_tracing(struct world *w)
{
	fflush(stdout);
	pid_t pid = fork();
	if (!pid) {
		struct cassin_error_text err = {0};
		struct cassin_engine_options options = {.workers = 1, .backend = CASSIN_BACKEND_PROCESS};
		int r = engine_make(w, options, &err);
		if (r)
			printf("# the tests process.* are left out: %s\n", err.text);
		fflush(stdout);
		_exit(r == -EPERM || r == -EACCES || r == -ENOSYS); /* anything else is for the tests to say */
	}
	int status = 0;
	return pid < 0 || waitpid(pid, &status, 0) != pid || !status;
}

/* How it ended, as waitpid(2) tells; -1: not in time. */
static int run_once(struct world *w, const struct test *t)
{
	fflush(stdout);
	uint64_t limit = (t->seconds ? t->seconds : SECONDS_DEFAULT) + 5;
	pid_t pid = fork();
	if (pid < 0) {
		perror("fork");
		exit(2);
	}
	if (!pid)
		run_here(w, t);
	int status = wait_for(pid, limit * w->slow * 1000 * MS);
	if (status == -1)
		printf("# no end after %llu s\n", (unsigned long long)limit * w->slow);
	else if (WIFSIGNALED(status))
		printf("# the engine died of signal %d\n", WTERMSIG(status));
	return status;
}

/* Whether a test only found that something does not hold; a dead engine and a sanitizer's finding are never chance. */
static bool may_be_chance(int status)
{
	return status == -1 || (WIFEXITED(status) && WEXITSTATUS(status) == FAILED_STATUS);
}

static bool run_test(struct world *w, const struct test *t, size_t number)
{
	uint64_t start = now_ns();
	int status = run_once(w, t);
	bool second = again && status && may_be_chance(status);
	if (second) {
		printf("# %s has failed: once more\n", t->name);
		status = run_once(w, t);
	}
	bool ok = status == 0;
	printf("%s %zu - %s #%s %.2f s\n", ok ? "ok" : "not ok", number, t->name, second ? " second try," : "",
	       (double)(now_ns() - start) / 1e9);
	return ok;
}

/* What a hypervisor of anybody's can be held to by running one guest. */
static void print_check(const struct test *t)
{
	bool pass = t->run == passes, crash = t->run == crashes;
	if ((pass || crash) && !t->workers && !t->pool && !t->own_machine && !t->backend)
		printf("%s\t%s\t%d\t%s\n", t->name, t->image, crash ? 134 : 0, t->args ? t->args : "");
}

static const char *own_dir(void)
{
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	return n > 0 ? dirname(path) : ".";
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{"dir", required_argument, NULL, 'd'},   {"pool", required_argument, NULL, 'p'},
		{"own-machine", no_argument, NULL, 'o'}, {"again", no_argument, NULL, 'a'},
		{"part", required_argument, NULL, 'P'},  {"checks", no_argument, NULL, 'c'},
		{"light", no_argument, NULL, 'L'},       {"sandbox", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},        {0}};
	static const struct test *tests[TESTS_MOST];
	const char *slow = getenv("CASSIN_TEST_SLOW");
	struct world w = {.dir = own_dir(), .slow = slow && atoi(slow) > 0 ? (unsigned)atoi(slow) : 1};
	bool list = false, checks = false;
	pool_bytes = POOL_DEFAULT;
	w.sandbox_mode = cassin_sandbox_mode_default(); /* a sanitizer makes calls of its own, which no role has */
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int c; (c = getopt_long(argc, argv, "lvh", longs, NULL)) != -1;) {
		if (c == 'l') {
			list = true;
		} else if (c == 'c') {
			checks = true;
		} else if (c == 'v') {
			w.verbose = true;
		} else if (c == 'o') {
			own_machine = true;
		} else if (c == 'a') {
			again = true;
		} else if (c == 'L') {
			light = true;
		} else if (c == 'P' && sscanf(optarg, "%u/%u", &part, &parts) == 2 && part > 0 && part <= parts) {
			part--;
		} else if (c == 'd') {
			w.dir = optarg;
		} else if (c == 's' && !cassin_sandbox_mode_parse(optarg, &w.sandbox_mode)) {
			continue;
		} else if (c != 'p' || cassin_size_parse(optarg, &pool_bytes)) {
			fputs(usage_text, c == 'h' ? stdout : stderr);
			return c == 'h' ? 0 : 2;
		}
	}
	if (!list && !checks)
		may_trace = !own_machine && !on_kvm_only() && find_tracing(&w);
	size_t n = select_tests(tests, argv + optind, !list && !checks), failed = 0;
	if (!list && !checks)
		printf("1..%zu\n", n);
	for (size_t i = 0; i < n; i++) {
		if (checks)
			print_check(tests[i]);
		else if (list)
			puts(tests[i]->name);
		else
			failed += !run_test(&w, tests[i], i + 1);
	}
	if (failed)
		printf("# %zu of %zu failed\n", failed, n);
	return !n || failed ? 1 : 0;
}
