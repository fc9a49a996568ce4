/* SPDX-License-Identifier: MIT */
/* Threads of guest-kernel: switches, priorities, stacks, ends, sleep. */
#include "check.h"
#include "kernel_check.h"

#define ROUNDS 2000u

/* ---- Switches ---- */

/* Fills the registers that a function must keep with `seed` and up, yields so often, and says whether they held. */
static bool registers_hold(uint64_t seed, unsigned yields)
{
	bool same = true;
	for (unsigned i = 0; i < yields && same; i++) {
		uint64_t differ;
		__asm__ volatile(
			"lea -128(%%rsp), %%rsp\n\t" /* the red zone is the compiler's */
			"push %%rbp\n\t"
			"mov %[seed], %%rbx\n\t"
			"lea 1(%%rbx), %%r12\n\t"
			"lea 2(%%rbx), %%r13\n\t"
			"lea 3(%%rbx), %%r14\n\t"
			"lea 4(%%rbx), %%r15\n\t"
			"lea 5(%%rbx), %%rbp\n\t"
			"mov %%rsp, %%rcx\n\t"
			"and $-16, %%rsp\n\t"
			"push %%rcx\n\t"
			"push %%rcx\n\t"
			"call cassin_thread_yield\n\t"
			"pop %%rcx\n\t"
			"pop %%rsp\n\t"
			"sub $1, %%r12\n\t"
			"sub $2, %%r13\n\t"
			"sub $3, %%r14\n\t"
			"sub $4, %%r15\n\t"
			"sub $5, %%rbp\n\t"
			"xor %%rbx, %%r12\n\t"
			"xor %%rbx, %%r13\n\t"
			"xor %%rbx, %%r14\n\t"
			"xor %%rbx, %%r15\n\t"
			"xor %%rbx, %%rbp\n\t"
			"mov %%r12, %%rax\n\t"
			"or %%r13, %%rax\n\t"
			"or %%r14, %%rax\n\t"
			"or %%r15, %%rax\n\t"
			"or %%rbp, %%rax\n\t"
			"pop %%rbp\n\t"
			"lea 128(%%rsp), %%rsp\n\t"
			: "=&a"(differ)
			: [seed] "D"(seed)
			: "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory",
			  "cc");
		same = !differ;
	}
	return same;
}

static int keeps_registers(void *arg)
{
	return registers_hold((uint64_t)arg * 0x0101010101010101, ROUNDS);
}

static void registers(int argc, char **argv)
{
	struct cassin_thread *t[3];
	(void)argc;
	(void)argv;
	for (uint64_t i = 0; i < 3; i++)
		t[i] = start(NULL, keeps_registers, (void *)(i + 1));
	CHECK(registers_hold(0xdeadbeefcafebabe, ROUNDS));
	for (unsigned i = 0; i < 3; i++)
		CHECK_IS(ended(t[i]), true);
}

static uint32_t mxcsr(void)
{
	uint32_t w;
	__asm__ volatile("stmxcsr %0" : "=m"(w));
	return w;
}

static uint16_t x87(void)
{
	uint16_t w;
	__asm__ volatile("fnstcw %0" : "=m"(w));
	return w;
}

/* Rounding modes of its own, over yields, sleeps and operations. */
static int keeps_control(void *arg)
{
	uint32_t mode = (uint32_t)(uint64_t)arg, sse = 0x1f80 | mode << 13;
	uint16_t fpu = (uint16_t)(0x037f | mode << 10);
	uint64_t bytes;
	CHECK_IS(mxcsr(), 0x1f80);
	CHECK_IS(x87(), 0x037f);
	__asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(sse), "m"(fpu));
	for (unsigned i = 0; i < 60; i++) {
		if (i % 3 == 0)
			cassin_thread_yield();
		else if (i % 3 == 1)
			cassin_sleep(MS / 5);
		else
			CHECK_IS(cassin_random(&bytes, sizeof bytes), 0);
		CHECK_IS(mxcsr(), sse);
		CHECK_IS(x87(), fpu);
	}
	return 0;
}

static void control_words(int argc, char **argv)
{
	struct cassin_thread *t[4];
	(void)argc;
	(void)argv;
	for (uint64_t i = 0; i < 4; i++)
		t[i] = start(NULL, keeps_control, (void *)i);
	for (unsigned i = 0; i < 4; i++)
		CHECK_IS(ended(t[i]), 0);
	CHECK_IS(mxcsr(), 0x1f80);
}

static int has_alignment(void *arg)
{
	(void)arg;
	CHECK_IS((uint64_t)__builtin_frame_address(0) % 16, 0);
	return 0;
}

static void alignment(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(ended(start(NULL, has_alignment, NULL)), 0);
}

static int yields_much(void *arg)
{
	for (unsigned i = 0; i < 20 * ROUNDS; i++)
		cassin_thread_yield();
	return (int)(uint64_t)arg;
}

static void no_exits(int argc, char **argv)
{
	struct cassin_info before, after;
	struct cassin_thread *t = start(NULL, yields_much, (void *)7);
	(void)argc;
	(void)argv;
	cassin_thread_yield();
	cassin_info(&before);
	yields_much(NULL);
	cassin_info(&after);
	CHECK_IS(after.hypercalls - before.hypercalls, 1);
	CHECK_IS(ended(t), 7);
}

/* ---- Priorities ---- */

static int says_its_letter(void *arg)
{
	say(*(const char *)arg);
	cassin_thread_yield();
	say(*(const char *)arg);
	return 0;
}

static void priorities(int argc, char **argv)
{
	struct cassin_thread_options high = {.priority = 20}, low = {.priority = 3};
	struct cassin_thread *t[5];
	(void)argc;
	(void)argv;
	t[0] = start(&low, says_its_letter, "l");
	t[1] = start(NULL, says_its_letter, "a");
	t[2] = start(NULL, says_its_letter, "b");
	t[3] = start(&high, says_its_letter, "h");
	t[4] = start(&high, says_its_letter, "i");
	said("");
	cassin_thread_yield(); /* the high ones are done first; then main, a and b take turns */
	said("hihiab");
	cassin_thread_yield();
	said("hihiabab");
	for (unsigned i = 0; i < 5; i++)
		CHECK_IS(ended(t[i]), 0);
	said("hihiababll");
	CHECK_IS(cassin_thread_priority(cassin_self()), CASSIN_PRIORITY_DEFAULT);
	CHECK_IS(cassin_thread_set_priority(cassin_self(), 32), -CASSIN_EINVAL);
	struct cassin_thread_options wrong = {.priority = 32}, huge = {.stack_size = SIZE_MAX};
	CHECK_IS(cassin_thread_create(NULL, &wrong, says_its_letter, "x"), -CASSIN_EINVAL);
	CHECK_IS(cassin_thread_create(NULL, &huge, says_its_letter, "x"), -CASSIN_EINVAL);
}

static void changed_priority(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	struct cassin_thread *a = start(NULL, says_its_letter, "a"), *b = start(NULL, says_its_letter, "b");
	CHECK_IS(cassin_thread_set_priority(b, 17), 0);
	CHECK_IS(cassin_thread_set_priority(a, CASSIN_PRIORITY_LEAST), 0);
	cassin_thread_yield();
	said("bb");
	CHECK_IS(cassin_thread_set_priority(cassin_self(), CASSIN_PRIORITY_LEAST), 0);
	cassin_thread_yield();
	said("bba");
	CHECK_IS(ended(a), 0);
	CHECK_IS(ended(b), 0);
}

/* As an interrupt's handler would: outside of the kernel it switches at once. */
static void preempt(int argc, char **argv)
{
	struct cassin_thread_options high = {.priority = 20}, low = {.priority = 3};
	(void)argc;
	(void)argv;
	struct cassin_thread *a = start(&high, says_its_letter, "h"), *b = start(&low, says_its_letter, "l");
	cassin_thread_preempt();
	said("hh");
	CHECK_IS(ended(a), 0);
	CHECK_IS(ended(b), 0);
	said("hhll");
}

static struct cassin_event go;

static int says_after_go(void *arg)
{
	CHECK_IS(cassin_event_wait(&go, CASSIN_FOREVER), 0);
	return says_its_letter(arg);
}

static void lets_go(struct cassin_timer *t)
{
	(void)t;
	cassin_event_set(&go);
	cassin_thread_preempt();
	said("");
}

/* Within the kernel, here in a timer's function, nothing is switched. */
static void preempt_inside(int argc, char **argv)
{
	struct cassin_timer timer = {.fire = lets_go};
	struct cassin_thread_options high = {.priority = 20};
	(void)argc;
	(void)argv;
	struct cassin_thread *t = start(&high, says_after_go, "h");
	cassin_timer_start(&timer, cassin_now() + MS);
	cassin_sleep(20 * MS);
	said("hh");
	CHECK_IS(ended(t), 0);
}

/* ---- Lives ---- */

static int returns(void *arg)
{
	cassin_thread_yield();
	return (int)(uint64_t)arg;
}

static int exits(void *arg)
{
	cassin_thread_exit((int)(uint64_t)arg + 1);
}

static void joins(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	struct cassin_thread *a = start(NULL, returns, (void *)5), *b = start(NULL, exits, (void *)6);
	CHECK_IS(cassin_thread_join(cassin_self(), NULL, CASSIN_FOREVER), -CASSIN_EDEADLK);
	CHECK_IS(cassin_thread_join(a, NULL, CASSIN_NOW), -CASSIN_ETIMEDOUT);
	CHECK_IS(ended(a), 5);
	CHECK_IS(ended(b), 7);
	struct cassin_thread_options detached = {.detached = 1, .name = "a name that is too long"};
	struct cassin_thread *c = start(&detached, returns, NULL), *d = start(NULL, returns, NULL);
	CHECK_IS(strcmp(cassin_thread_name(c), "a name that is "), 0);
	CHECK_IS(strcmp(cassin_thread_name(d), "thread"), 0);
	CHECK_IS(cassin_thread_join(c, NULL, CASSIN_FOREVER), -CASSIN_EINVAL);
	CHECK_IS(cassin_thread_detach(c), -CASSIN_EINVAL);
	CHECK_IS(cassin_thread_detach(d), 0);
	CHECK_IS(cassin_thread_join(d, NULL, CASSIN_FOREVER), -CASSIN_EINVAL);
}

/* Threads that come and go leave nothing behind, whatever their stacks. */
static void come_and_go(int argc, char **argv)
{
	size_t before = 0;
	struct cassin_thread_options o[] = {
		{.detached = 1}, {.stack_size = 5000}, {.stack_size = 100000, .detached = 1}, {0}};
	(void)argc;
	(void)argv;
	for (unsigned i = 0; i < 200; i++) {
		struct cassin_thread *t[4];
		for (unsigned j = 0; j < 4; j++)
			t[j] = start(&o[j], returns, (void *)1);
		CHECK_IS(ended(t[1]), 1);
		CHECK_IS(ended(t[3]), 1);
		cassin_sleep(1000);
		if (i == 5)
			before = cassin_heap_used();
	}
	CHECK_IS(cassin_heap_used(), before);
}

static int outlives_main(void *arg)
{
	cassin_sleep(5 * MS);
	cassin_print("the last one\n");
	return (int)(uint64_t)arg;
}

static void main_may_end_first(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	struct cassin_thread_options detached = {.detached = 1};
	start(&detached, outlives_main, (void *)9);
	cassin_thread_exit(0);
}

static void *seen[2];

static int uses_slots(void *arg)
{
	CHECK(!cassin_thread_slot(1));
	cassin_thread_slot_set(1, arg);
	cassin_thread_slot_set(CASSIN_THREAD_SLOTS, arg);
	CHECK(!cassin_thread_slot(CASSIN_THREAD_SLOTS));
	cassin_thread_yield();
	seen[(uint64_t)arg] = cassin_thread_slot(1);
	return 0;
}

static uint64_t fs_word(void)
{
	uint64_t w;
	__asm__ volatile("mov %%fs:0, %0" : "=r"(w));
	return w;
}

static int uses_tls(void *arg)
{
	CHECK_IS(cassin_thread_tls_set(NULL), -CASSIN_EINVAL);
	CHECK_IS(cassin_thread_tls_set((void *)CASSIN_VA_END), -CASSIN_EINVAL);
	CHECK_IS(cassin_thread_tls_set(arg), 0);
	for (unsigned i = 0; i < 20; i++) {
		CHECK_IS(fs_word(), *(uint64_t *)arg);
		cassin_thread_yield();
	}
	return 0;
}

static void thread_local(int argc, char **argv)
{
	uint64_t words[2] = {11, 22};
	(void)argc;
	(void)argv;
	struct cassin_thread *a = start(NULL, uses_slots, (void *)0), *b = start(NULL, uses_slots, (void *)1);
	CHECK_IS(ended(a) + ended(b), 0);
	CHECK_IS((uint64_t)seen[0], 0);
	CHECK_IS((uint64_t)seen[1], 1);
	a = start(NULL, uses_tls, &words[0]);
	b = start(NULL, uses_tls, &words[1]);
	CHECK_IS(ended(a) + ended(b), 0);
}

/* ---- Limits ---- */

static int recurse_in_thread(void *arg)
{
	volatile char large[512] = {0};
	int r = arg ? recurse_in_thread((char *)arg + 1) : 0;
	return r + large[0];
}

static void overflow(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	ended(start(NULL, recurse_in_thread, (void *)1));
}

/* A stack that had another owner has its guard page still. */
static void overflow_of_a_used_stack(int argc, char **argv)
{
	ended(start(NULL, returns, NULL));
	overflow(argc, argv);
}

/* Creating threads fails when the heap is full, and works again when they have ended. */
static void heap_exhaustion(int argc, char **argv)
{
	static struct cassin_thread *t[4096];
	unsigned n = 0;
	int r = 0;
	(void)argc;
	(void)argv;
	while (n < 4096 && !(r = cassin_thread_create(&t[n], NULL, returns, (void *)3)))
		n++;
	CHECK_IS(r, -CASSIN_ENOMEM);
	CHECK(n > 10);
	struct cassin_queue q;
	CHECK_IS(cassin_queue_init(&q, 1u << 20, 4096), -CASSIN_ENOMEM);
	while (n--)
		CHECK_IS(ended(t[n]), 3);
	CHECK_IS(ended(start(NULL, returns, (void *)4)), 4);
}

static const struct property all[] = {
	{"registers", registers},
	{"control-words", control_words},
	{"alignment", alignment},
	{"no-exits", no_exits},
	{"priorities", priorities},
	{"changed-priority", changed_priority},
	{"preempt", preempt},
	{"preempt-inside", preempt_inside},
	{"joins", joins},
	{"come-and-go", come_and_go},
	{"main-ends-first", main_may_end_first},
	{"thread-local", thread_local},
	{"overflow", overflow},
	{"overflow-used", overflow_of_a_used_stack},
	{"heap-exhaustion", heap_exhaustion},
};
PROPERTIES(all)
