/* SPDX-License-Identifier: MIT */
/* User programs under guest-kernel: whatever one does, the others and the kernel go on. */
#include <cassin/process.h>

#include "check.h"

#define CROWD 12
#define WORKERS 3
#define WORK 300u  /* of one of them, many turns */
#define HEADER 64u /* of an ELF file; its table of segments follows */
#define PROGRAM_HEADER 56u

static void begin(const struct cassin_processes_options *o)
{
	CHECK_IS(cassin_processes_start(cassin_archive, cassin_archive_size, o), 0);
}

/* Starts the program with one or two arguments. */
static int start(const char *what, const char *more)
{
	char args[64];
	int n = cassin_format(args, sizeof args, "%s%c%s", what, 0, more ? more : "");
	return cassin_process_spawn("program", args, more ? (size_t)n + 1 : strlen(what) + 1);
}

static struct cassin_status end_of(int pid)
{
	struct cassin_status status = {0};
	CHECK(pid > 0);
	CHECK_IS(cassin_process_wait(pid, &status, CASSIN_FOREVER), pid);
	CHECK_IS(status.pid, pid);
	return status;
}

/* It ends by itself, and says that all was right. */
static void good(int pid)
{
	struct cassin_status status = end_of(pid);
	CHECK_IS(status.end, CASSIN_END_EXIT);
	CHECK_IS(status.code, 0);
}

static void killed(int pid)
{
	CHECK_IS(cassin_process_kill(pid), 0);
	CHECK_IS(end_of(pid).end, CASSIN_END_KILL);
}

/* Nobody is left, and no memory of theirs. */
static void nothing_left(size_t used)
{
	struct cassin_process_info info;
	CHECK_IS(cassin_process_list(&info, 1), 0);
	CHECK_IS(cassin_process_wait(0, NULL, CASSIN_FOREVER), -CASSIN_ECHILD);
	if (used)
		CHECK_IS(cassin_heap_used(), used);
}

static void alone(const char *what, const char *more)
{
	static const struct cassin_processes_options o = {.pages = 64, .processes = 12, .children = 4};
	begin(&o);
	good(start(what, more));
	size_t used = cassin_heap_used(); /* the first one's stack is kept */
	good(start(what, more));
	nothing_left(used);
}

static void argument(int argc, char **argv)
{
	static const char args[] = "args\0\0two words";
	(void)argc;
	(void)argv;
	begin(NULL);
	good(cassin_process_spawn("program", args, sizeof args));
	good(cassin_process_spawn("program", args, sizeof args));
	CHECK_IS(end_of(start("exit", "511")).code, 255);
	CHECK_IS(end_of(cassin_process_spawn("program", NULL, 0)).code, 99);
	CHECK_IS(cassin_process_spawn("programs", NULL, 0), -CASSIN_ENOENT);
	CHECK_IS(cassin_process_spawn("program", "x", 1), -CASSIN_EINVAL);
	CHECK_IS(cassin_process_spawn("text", NULL, 0), -CASSIN_ENOEXEC);
	CHECK_IS(cassin_process_kill(1), -CASSIN_ECHILD);
}

static void crash(int argc, char **argv)
{
	static const int vectors[] = {14, 14, 14, 6, 13, 13, 14};
	(void)argc;
	(void)argv;
	begin(NULL);
	int other = start("nap", "20000000"), loop = start("loop", NULL);
	for (int i = 0; i <= 7; i++) {
		char what[8];
		cassin_format(what, sizeof what, "%d", i);
		struct cassin_status status = end_of(start("crash", what));
		CHECK_IS(status.end, CASSIN_END_CRASH);
		if (i < 7)
			CHECK_IS(status.code, vectors[i]);
	}
	good(other);
	killed(loop);
}

/* Programs that never give way do not keep others from their turns, or from being killed. */
static void loops(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	begin(NULL);
	int loop = start("loop", NULL), ask = start("ask", NULL);
	good(start("nap", "5000000"));
	good(start("asks", "10"));
	killed(ask);
	killed(loop);
	nothing_left(0);
}

/* None of them is forgotten before all have ended. */
static void await_all(unsigned n)
{
	struct cassin_process_info info[CROWD];
	for (unsigned ended = 0; ended < n; cassin_sleep(MS)) {
		CHECK_IS(cassin_process_list(info, CROWD), n);
		ended = 0;
		for (unsigned i = 0; i < n; i++)
			ended += info[i].ended;
	}
}

static void crowd(int argc, char **argv)
{
	int pids[CROWD];
	(void)argc;
	(void)argv;
	begin(NULL);
	for (int i = 0; i < CROWD; i++)
		pids[i] = start("crowd", NULL);
	await_all(CROWD);
	for (int i = 0; i < CROWD; i++)
		good(pids[i]);
	nothing_left(0);
}

/* Those that compute all the time have done about the same, whenever one looks. */
static void equal_turns(int argc, char **argv)
{
	static const struct cassin_processes_options o = {.slice = MS};
	struct cassin_process_info info[WORKERS];
	uint64_t most = 0, least = 0;
	int pids[WORKERS];
	(void)argc;
	(void)argv;
	begin(&o);
	for (int i = 0; i < WORKERS; i++)
		pids[i] = start("work", NULL);
	while (most < WORK) {
		cassin_sleep(10 * MS);
		CHECK_IS(cassin_process_list(info, WORKERS), WORKERS);
		most = least = info[0].calls;
		for (int i = 1; i < WORKERS; i++) {
			most = info[i].calls > most ? info[i].calls : most;
			least = info[i].calls < least ? info[i].calls : least;
		}
	}
	CHECK(least > most / 4);
	for (int i = 0; i < WORKERS; i++)
		killed(pids[i]);
}

static void registers(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	begin(NULL);
	int one = start("keep", "1"), two = start("keep", "2");
	good(one);
	good(two);
}

static void kills(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	begin(NULL);
	killed(start("sleep", NULL)); /* not begun */
	int sleep = start("sleep", NULL), loop = start("loop", NULL), wait = start("wait", NULL);
	good(start("nap", "1000000"));
	CHECK_IS(cassin_process_wait(sleep, NULL, cassin_after(MS)), -CASSIN_ETIMEDOUT);
	killed(sleep);
	killed(loop);
	killed(wait);
	struct cassin_process_info left;
	CHECK_IS(cassin_process_list(&left, 1), 1); /* the child that it waited for */
	CHECK_IS(left.parent, 0);
	CHECK_IS(cassin_process_wait(left.pid, NULL, CASSIN_FOREVER), -CASSIN_ECHILD);
	CHECK_IS(cassin_process_kill(left.pid), 0);
	while (cassin_process_list(&left, 1))
		cassin_thread_yield();
}

/* A system call is one run: two exits. Programs with more and with fewer, and the difference. */
static void exits(int argc, char **argv)
{
	static const struct cassin_processes_options o = {.slice = 1000000 * MS};
	struct cassin_info before, middle, after;
	(void)argc;
	(void)argv;
	begin(&o);
	good(start("asks", "10"));
	cassin_info(&before);
	good(start("asks", "10"));
	cassin_info(&middle);
	good(start("asks", "510"));
	cassin_info(&after);
	CHECK_IS((after.hypercalls - middle.hypercalls) - (middle.hypercalls - before.hypercalls), 500);
}

/* ---- What cannot be read ---- */

/* Cut off anywhere, it is refused; with a wrong character in the first header, too. */
static void archives(int argc, char **argv)
{
	char *copy = cassin_alloc(cassin_archive_size);
	(void)argc;
	(void)argv;
	CHECK(copy);
	memcpy(copy, cassin_archive, cassin_archive_size);
	for (size_t n = 0; n < cassin_archive_size - 4; n += n < 512 ? 1 : 97)
		CHECK_IS(cassin_processes_start(copy, n, NULL), -CASSIN_EINVAL);
	for (size_t i = 0; i < 110; i++) {
		copy[i] = 'x';
		int r = cassin_processes_start(copy, cassin_archive_size, NULL);
		CHECK_IS(r, -CASSIN_EINVAL);
		copy[i] = 'f'; /* a number, and a large one: good or not, it is looked at within its bounds */
		cassin_processes_start(copy, cassin_archive_size, NULL);
		copy[i] = cassin_archive[i];
	}
	struct cassin_processes_options o = {.processes = CASSIN_PROCESSES_MAX + 1};
	CHECK_IS(cassin_processes_start(copy, cassin_archive_size, &o), -CASSIN_EINVAL);
}

struct change {
	unsigned at, size;
	uint64_t value;
};

/* Segment i's field, of which the offset is behind the comma. */
#define SEGMENT(i, offset) (HEADER + (i)*PROGRAM_HEADER + (offset))

static void images(int argc, char **argv)
{
	static const struct change changes[] = {
		{0, 1, 0},                                 /* magic */
		{4, 1, 1},                                 /* 32 bits */
		{5, 1, 2},                                 /* big endian */
		{16, 2, 3},                                /* position independent */
		{18, 2, 183},                              /* another processor's */
		{24, 8, 0},                                /* entry: nowhere */
		{24, 8, CASSIN_USER_IMAGE},                /* not in code */
		{32, 8, UINT64_MAX},                       /* table: out of the file */
		{32, 8, 1 << 20},                          /* the same */
		{54, 2, 55},                               /* entries of another size */
		{56, 2, 0},                                /* none */
		{56, 2, 0xffff},                           /* too many */
		{SEGMENT(1, 0), 4, 3},                     /* wants an interpreter */
		{SEGMENT(1, 4), 4, 7},                     /* writable code */
		{SEGMENT(1, 4), 4, 1},                     /* not readable */
		{SEGMENT(1, 8), 8, UINT64_MAX},            /* bytes: out of the file */
		{SEGMENT(1, 8), 8, UINT64_MAX - 100},      /* the same, and around */
		{SEGMENT(1, 16), 8, 0x1000},               /* below where programs lie */
		{SEGMENT(1, 16), 8, CASSIN_USER_IMAGE},    /* on the one before */
		{SEGMENT(1, 16), 8, UINT64_MAX - 10},      /* around */
		{SEGMENT(1, 16), 8, CASSIN_USER_END - 10}, /* above */
		{SEGMENT(1, 16), 8, UINT64_C(1) << 63},    /* no address */
		{SEGMENT(1, 32), 8, 1 << 30},              /* more bytes than the file */
		{SEGMENT(1, 40), 8, 10},                   /* more bytes than room */
		{SEGMENT(1, 40), 8, UINT64_MAX},           /* of a size around */
	};
	char *copy = cassin_alloc(cassin_archive_size), *elf;
	(void)argc;
	(void)argv;
	CHECK(copy);
	memcpy(copy, cassin_archive, cassin_archive_size);
	for (elf = copy; memcmp(elf, "\177ELF", 4) != 0; elf++)
		;
	CHECK_IS(cassin_processes_start(copy, cassin_archive_size, NULL), 0);
	size_t used = cassin_heap_used();
	for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
		const struct change *c = &changes[i];
		uint64_t was = 0;
		memcpy(&was, elf + c->at, c->size);
		memcpy(elf + c->at, &c->value, c->size);
		int r = cassin_process_spawn("program", NULL, 0);
		if (r != -CASSIN_ENOEXEC)
			cassin_print("change %zu: ", i);
		CHECK_IS(r, -CASSIN_ENOEXEC);
		memcpy(elf + c->at, &was, c->size);
	}
	uint64_t large = 1 << 24; /* more than a program may have */
	memcpy(elf + SEGMENT(2, 40), &large, sizeof large);
	CHECK_IS(cassin_process_spawn("program", NULL, 0), -CASSIN_ENOMEM);
	CHECK_IS(cassin_heap_used(), used);
	CHECK_IS(cassin_processes_start(cassin_archive, cassin_archive_size, NULL), 0);
	good(start("exit", "0"));
}

/* ---- Programs that look for themselves ---- */

#define ALONE(name, what, more)                                                                                        \
	static void name(int argc, char **argv)                                                                        \
	{                                                                                                              \
		(void)argc;                                                                                            \
		(void)argv;                                                                                            \
		alone(what, more);                                                                                     \
	}
ALONE(memory, "memory", NULL)
ALONE(wild, "wild", NULL)
ALONE(direct, "direct", NULL)
ALONE(spoil, "spoil", NULL)

/* It fills the table and no more; what was there before goes on, and all of it can be ended. */
static void bomb(int argc, char **argv)
{
	static const struct cassin_processes_options o = {.processes = 12, .children = 4};
	struct cassin_process_info all_of_them[CROWD];
	(void)argc;
	(void)argv;
	begin(&o);
	int other = start("nap", "5000000"), first = start("bomb", NULL);
	good(other);
	unsigned n = cassin_process_list(all_of_them, CROWD);
	CHECK(n > 1 && n <= 12);
	for (unsigned i = 0; i < n; i++)
		CHECK_IS(cassin_process_kill(all_of_them[i].pid), 0);
	CHECK_IS(end_of(first).end, CASSIN_END_KILL);
	while (cassin_process_list(all_of_them, 1))
		cassin_thread_yield();
	for (n = 0; start("sleep", NULL) > 0; n++)
		;
	CHECK_IS(n, 12);
	CHECK_IS(start("sleep", NULL), -CASSIN_EAGAIN);
}

static void wrong(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	begin(NULL);
	good(start("wrong", NULL));
}

static void family(int argc, char **argv)
{
	struct cassin_process_info orphan;
	(void)argc;
	(void)argv;
	begin(NULL);
	good(start("family", NULL));
	CHECK_IS(cassin_process_list(&orphan, 1), 1);
	CHECK_IS(cassin_process_kill(orphan.pid), 0);
	while (cassin_process_list(&orphan, 1))
		cassin_thread_yield();
}

/* The same with a kernel that preempts its own threads. */
static void preempted(int argc, char **argv)
{
	CHECK_IS(cassin_preempt(CASSIN_SLICE_DEFAULT), 0);
	crowd(argc, argv);
	registers(argc, argv);
}

static const struct property all[] = {
	{"arguments", argument}, {"crash", crash},         {"loops", loops},
	{"crowd", crowd},        {"registers", registers}, {"kills", kills},
	{"exits", exits},        {"archives", archives},   {"images", images},
	{"memory", memory},      {"wild-pointers", wild},  {"direct-calls", direct},
	{"bomb", bomb},          {"control-words", spoil}, {"wrong-arguments", wrong},
	{"family", family},      {"preempted", preempted}, {"equal-turns", equal_turns},
};
PROPERTIES(all)
