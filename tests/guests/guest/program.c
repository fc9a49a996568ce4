/* SPDX-License-Identifier: MIT */
/* The user program of the tests of processes: argv[1] says what it does. It exits 0 when what it looked at is right, and
 * says what is not. */
#include <cassin/user.h>

#define CHECK(cond)                                                                                                    \
	do {                                                                                                           \
		if (!(cond)) {                                                                                         \
			user_print("program.c:%d: %s does not hold\n", __LINE__, #cond);                               \
			user_exit(1);                                                                                  \
		}                                                                                                      \
	} while (0)
#define CROWD 12
#define KEPT 200

static struct cassin_process_info all[64];
static int initialised = 41, zeroed;

static int number(char **argv)
{
	return (int)cassin_parse(argv[2], strlen(argv[2]));
}

static int start(const char *what, const char *more)
{
	const char *const argv[] = {"program", what, more, NULL};
	return (int)user_spawn(argv);
}

static int ends_with(char **argv)
{
	return number(argv);
}

static int args(char **argv)
{
	uint64_t sp;
	__asm__("mov %%rsp, %0" : "=r"(sp));
	CHECK(strcmp(argv[0], "program") == 0 && strcmp(argv[2], "") == 0 && strcmp(argv[3], "two words") == 0);
	CHECK(!argv[4] && sp < CASSIN_USER_STACK_TOP);
	CHECK(++initialised == 42 && ++zeroed == 1); /* and so for the next process */
	return 0;
}

static int overflows(char **argv)
{
	volatile char frame[1024];
	frame[0] = 1;
	return argv ? overflows(argv) + frame[0] : 0;
}

static int crashes(char **argv)
{
	uint64_t *volatile nowhere = (uint64_t *)16, *volatile code = (uint64_t *)(uint64_t)crashes,
			   *volatile high = (uint64_t *)UINT64_C(0xffff800000000000);
	switch (number(argv)) {
	case 0:
		return (int)*nowhere;
	case 1:
		*code = 1;
		break;
	case 2:
		((void (*)(void))(uint64_t)&initialised)();
		break;
	case 3:
		__asm__ volatile("ud2");
		break;
	case 4:
		__asm__ volatile("hlt");
		break;
	case 5:
		__asm__ volatile("out %al, $0x80");
		break;
	case 6:
		return overflows(argv);
	default:
		*high = 1;
	}
	return 0;
}

static int loops(char **argv)
{
	while (argv)
		__asm__ volatile("");
	return 0;
}

/* Without a pause for others: system calls do not give way. */
static int asks_for_ever(char **argv)
{
	while (argv)
		user_getpid();
	return 0;
}

static int sleeps(char **argv)
{
	(void)argv;
	user_sleep(UINT64_MAX);
	return 1;
}

static int sleeps_a_little(char **argv)
{
	int64_t before = user_clock(CASSIN_CLOCK_MONOTONIC);
	user_sleep((uint64_t)number(argv));
	CHECK(user_clock(CASSIN_CLOCK_MONOTONIC) - before >= number(argv));
	CHECK(user_clock(CASSIN_CLOCK_WALL) > 0 && user_clock(7) == -CASSIN_EINVAL);
	return 0;
}

static int takes_memory(char **argv)
{
	static const uint64_t impossible[] = {UINT64_MAX, UINT64_C(1) << 63, UINT64_C(1) << 40, CASSIN_USER_END,
					      1 << 24};
	unsigned pages = 0;
	char *at, *was = user_sbrk(0);
	(void)argv;
	for (unsigned i = 0; i < sizeof impossible / sizeof *impossible; i++)
		CHECK(cassin_sys(CASSIN_SYS_SBRK, impossible[i], 0, 0) == -CASSIN_ENOMEM);
	CHECK(user_sbrk(100) == was && user_sbrk(100) == was + 100 && user_sbrk(0) == was + 200);
	was[199] = 1;
	while ((at = user_sbrk(CASSIN_PAGE_SIZE))) {
		CHECK(at == was + 200 + pages++ * CASSIN_PAGE_SIZE);
		for (unsigned i = 0; i < CASSIN_PAGE_SIZE; i++)
			CHECK(!at[i]);
		memset(at, 0x5a, CASSIN_PAGE_SIZE);
	}
	CHECK(pages > 30 && pages < 64); /* the kernel says 64, with program and stack */
	return 0;
}

/* Every system call with pointers to nothing, to the end of something, and to what must not be written. */
static int wild_pointers(char **argv)
{
	uint64_t text = (uint64_t)wild_pointers, end = (uint64_t)user_sbrk(0), top = CASSIN_USER_STACK_TOP;
	const uint64_t bad[] = {
		0, 8, end, end + 1, top, top - 1, UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 63, CASSIN_VA_END};
	(void)argv;
	for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
		CHECK(cassin_sys(CASSIN_SYS_WRITE, 1, bad[i], 8) == -CASSIN_EFAULT);
		CHECK(cassin_sys(CASSIN_SYS_READ, 0, bad[i], 8) == -CASSIN_EFAULT);
		CHECK(cassin_sys(CASSIN_SYS_PROCESSES, bad[i], 60, 0) == -CASSIN_EFAULT);
		CHECK(cassin_sys(CASSIN_SYS_PROGRAM, 0, bad[i], 60) == -CASSIN_EFAULT);
		CHECK(cassin_sys(CASSIN_SYS_WAIT, 0, bad[i], 0) == -CASSIN_EFAULT || !bad[i]);
		CHECK(cassin_sys(CASSIN_SYS_SPAWN, (uint64_t) "program", bad[i], 8) == -CASSIN_EFAULT);
		if (bad[i] != top - 1)
			CHECK(cassin_sys(CASSIN_SYS_SPAWN, bad[i], 0, 0) == -CASSIN_EFAULT);
	}
	CHECK(cassin_sys(CASSIN_SYS_READ, 0, text, 8) == -CASSIN_EFAULT);
	CHECK(cassin_sys(CASSIN_SYS_PROCESSES, text, 60, 0) == -CASSIN_EFAULT);
	CHECK(cassin_sys(CASSIN_SYS_PROGRAM, 0, text, 60) == -CASSIN_EFAULT);
	CHECK(cassin_sys(CASSIN_SYS_WAIT, 0, text, 0) == -CASSIN_EFAULT);
	return 0;
}

static int wrong_arguments(char **argv)
{
	static char many[CASSIN_ARGS_MAX + 1], long_name[64];
	(void)argv;
	memset(long_name, 'x', sizeof long_name);
	CHECK(user_write(0, "x", 1) == -CASSIN_EBADF && user_write(3, "x", 1) == -CASSIN_EBADF);
	CHECK(user_read(1, many, 1) == -CASSIN_EBADF && user_read(0, many, 0) == 0 && user_write(1, many, 0) == 0);
	CHECK(start("exit", "0") > 0 && user_wait(0, NULL, CASSIN_FOREVER) > 0);
	CHECK(cassin_sys(CASSIN_SYS_SPAWN, (uint64_t)long_name, 0, 0) == -CASSIN_ENOENT);
	CHECK(cassin_sys(CASSIN_SYS_SPAWN, (uint64_t) "none", 0, 0) == -CASSIN_ENOENT);
	CHECK(cassin_sys(CASSIN_SYS_SPAWN, (uint64_t) "", 0, 0) == -CASSIN_ENOENT);
	CHECK(cassin_sys(CASSIN_SYS_SPAWN, (uint64_t) "program", (uint64_t)many, sizeof many) == -CASSIN_EINVAL);
	CHECK(cassin_sys(CASSIN_SYS_SPAWN, (uint64_t) "program", (uint64_t)many, UINT64_MAX) == -CASSIN_EINVAL);
	CHECK(cassin_sys(CASSIN_SYS_SPAWN, (uint64_t) "program", (uint64_t)many, 32) == -CASSIN_EINVAL);
	CHECK(cassin_sys(CASSIN_SYS_SPAWN, (uint64_t) "program", (uint64_t) "x", 1) == -CASSIN_EINVAL);
	CHECK(user_program(2, many, sizeof many) == -CASSIN_ENOENT && user_program(0, many, 7) == -CASSIN_EINVAL);
	CHECK(user_program(UINT32_MAX, many, sizeof many) == -CASSIN_ENOENT);
	CHECK(cassin_sys(CASSIN_SYS_PROGRAM, UINT64_C(1) << 32, (uint64_t)many, 64) == -CASSIN_ENOENT);
	CHECK(user_program(0, many, 8) == 7 && strcmp(many, "program") == 0);
	CHECK(user_wait(0, NULL, CASSIN_FOREVER) == -CASSIN_ECHILD &&
	      user_wait(-1, NULL, CASSIN_NOW) == -CASSIN_ECHILD);
	CHECK(user_wait(1, NULL, CASSIN_FOREVER) == -CASSIN_ECHILD); /* itself */
	CHECK(cassin_sys(CASSIN_SYS_WAIT, UINT64_MAX, 0, 0) == -CASSIN_ECHILD);
	return 0;
}

/* Its kernel's calls are for its kernel: from a program, those numbers are none. */
static int calls_hypervisor(char **argv)
{
	(void)argv;
	for (uint64_t n = 0; n < CASSIN_SYS_EXIT; n++)
		CHECK(cassin_sys(n, 0, (uint64_t)&zeroed, 1) == -CASSIN_ENOSYS);
	CHECK(cassin_sys(CASSIN_SYS_END, 0, 0, 0) == -CASSIN_ENOSYS &&
	      cassin_sys(UINT64_MAX, 0, 0, 0) == -CASSIN_ENOSYS);
	CHECK(cassin_sys((UINT64_C(1) << 32) + CASSIN_SYS_EXIT, 0, 0, 0) == -CASSIN_ENOSYS);
	return 0;
}

/* Without end: its copies do the same. */
static int bomb(char **argv)
{
	int64_t pid;
	int n = 0;
	(void)argv;
	while ((pid = start("bomb", NULL)) > 0)
		n++;
	CHECK(pid == -CASSIN_EAGAIN);
	CHECK(n <= 4); /* its kernel allows no more */
	for (;;) {
		user_wait(0, NULL, CASSIN_FOREVER);
		start("bomb", NULL);
	}
}

static int family(char **argv)
{
	struct cassin_status status;
	int one = start("exit", "7"), two = start("crash", "3"), three = start("sleep", NULL);
	(void)argv;
	CHECK(user_wait(three, &status, CASSIN_NOW) == -CASSIN_EAGAIN);
	CHECK(user_kill(three) == 0 && user_kill(12345) == -CASSIN_ECHILD &&
	      user_kill(user_getpid()) == -CASSIN_ECHILD);
	CHECK(user_wait(two, &status, CASSIN_FOREVER) == two);
	CHECK(status.pid == two && status.end == CASSIN_END_CRASH && status.code == 6);
	CHECK(user_wait(two, &status, CASSIN_FOREVER) == -CASSIN_ECHILD);
	CHECK(user_wait(one, &status, CASSIN_FOREVER) == one && status.end == CASSIN_END_EXIT && status.code == 7);
	CHECK(user_wait(0, &status, CASSIN_FOREVER) == three && status.end == CASSIN_END_KILL);
	CHECK(start("loop", NULL) > 0); /* an orphan soon */
	return 0;
}

static int waits_for_sleeper(char **argv)
{
	(void)argv;
	CHECK(start("sleep", NULL) > 0);
	user_wait(0, NULL, CASSIN_FOREVER);
	return 1;
}

/* Computes and looks, without giving way, until all of the crowd have looked often. */
static int crowd(char **argv)
{
	int ready;
	(void)argv;
	do {
		int64_t n = user_processes(all, 64);
		ready = 0;
		for (int64_t i = 0; i < n; i++)
			ready += all[i].ended || all[i].calls > 3;
	} while (ready < CROWD);
	return 0;
}

/* Registers of all kinds are its own, over system calls and the turns of others. */
static int keeps(char **argv)
{
	uint64_t me = (uint64_t)number(argv), rbx, r9, vector;
	for (int i = 0; i < KEPT; i++) {
		uint64_t call = i % 2 ? CASSIN_SYS_GETPID : CASSIN_SYS_YIELD;
		__asm__ volatile(
			"mov %4, %%rbx\n\tmov %4, %%r9\n\tmovq %4, %%xmm5\n\tout %%al, $0xca\n\t"
			"mov %%rbx, %1\n\tmov %%r9, %2\n\tmovq %%xmm5, %3"
			: "+a"(call), "=&r"(rbx), "=&r"(r9), "=&r"(vector)
			: "r"(me)
			: "rbx", "r9", "xmm5", "memory", "cc");
		CHECK(rbx == me && r9 == me && vector == me);
	}
	return 0;
}

/* Leaves an x87 exception pending and all of SSE's unmasked: its kernel must not stumble. */
static int spoils_control_words(char **argv)
{
	static const uint16_t all_unmasked = 0x340;
	static const uint32_t mxcsr = 0;
	(void)argv;
	__asm__ volatile("fldcw %0\n\tldmxcsr %1\n\tfld1\n\tfldz\n\tfdivrp" : : "m"(all_unmasked), "m"(mxcsr));
	for (int i = 0; i < 5; i++) {
		user_yield();
		user_write(1, "", 0);
	}
	return 0;
}

static int asks(char **argv)
{
	for (int i = number(argv); i > 0; i--)
		user_getpid();
	return 0;
}

/* A call for each piece of work, so that its kernel sees how much it has done. */
static int works(char **argv)
{
	while (argv) {
		for (int i = 0; i < 100000; i++)
			__asm__ volatile("");
		user_getpid();
	}
	return 0;
}

static int echoes(char **argv)
{
	char line[80];
	int64_t n;
	(void)argv;
	while ((n = user_read(0, line, sizeof line)) > 0)
		user_print("<%.*s>", (int)n - 1, line);
	return n == 0 ? 0 : 1;
}

static const struct {
	const char *name;
	int (*run)(char **argv);
} things[] = {
	{"exit", ends_with},
	{"args", args},
	{"crash", crashes},
	{"loop", loops},
	{"ask", asks_for_ever},
	{"sleep", sleeps},
	{"nap", sleeps_a_little},
	{"memory", takes_memory},
	{"wild", wild_pointers},
	{"wrong", wrong_arguments},
	{"direct", calls_hypervisor},
	{"bomb", bomb},
	{"family", family},
	{"wait", waits_for_sleeper},
	{"crowd", crowd},
	{"keep", keeps},
	{"spoil", spoils_control_words},
	{"asks", asks},
	{"work", works},
	{"echo", echoes},
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < sizeof things / sizeof *things; i++) {
		if (strcmp(things[i].name, argv[1]) == 0)
			return things[i].run(argv);
	}
	return 99;
}
