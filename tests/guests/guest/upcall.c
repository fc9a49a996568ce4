/* SPDX-License-Identifier: MIT */
/* Upcalls: they come when they should, only then, and what they interrupt does not notice. */
#include "user.h"

CASSIN_NEEDS_1_1;

#define ALL UINT64_MAX
#define STACK_SIZE 16384u

static uint8_t stack[STACK_SIZE] __asm__("stack") __attribute__((aligned(16)));
static volatile uint64_t upcalls, seen, depth, deepest, period;

static uint64_t notes(uint64_t events, struct cassin_upcall_frame *frame)
{
	CHECK_IS(cassin_upcall_mask, ALL);
	CHECK(events != 0 && (events & frame->mask) == 0);
	CHECK_IS(frame->events, events);
	upcalls = upcalls + 1;
	seen = seen | events;
	return period ? cassin_now() + period : 0;
}

static void start(cassin_upcall_fn fn, uint64_t timer)
{
	CHECK_IS(cassin_upcall_set(fn, stack, sizeof stack, timer), 0);
}

/* Ends at once when one of these waits, masked or not. */
static int64_t enter_waking(uint64_t events, uint64_t deadline)
{
	return cassin_enter(0, events << CASSIN_WAKE_SHIFT, deadline);
}

/* Without an operation, which would be an event itself. */
static void nap(uint64_t ns)
{
	CHECK_IS(cassin_enter(0, 0, cassin_now() + ns), 0);
}

static void spin_until_seen(uint64_t events)
{
	while ((seen & events) != events)
		__asm__ volatile("");
}

/* ---- They come ---- */

static void timer(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	uint64_t when = cassin_now() + 10 * MS;
	start(notes, when);
	CHECK_IS(upcalls, 0);
	cassin_upcall_mask = 0;
	spin_until_seen(CASSIN_EVENT_TIMER);
	CHECK(cassin_now() + MS / 10 >= when);
	CHECK_IS(upcalls, 1);
	CHECK_IS(cassin_upcall_mask, 0); /* as it was */
	CHECK_IS(cassin_upcall_pending(), 0);
	cassin_upcall_mask = ALL;
	start(notes, cassin_now() + 5 * MS); /* turned off again, even if it has passed meanwhile */
	start(notes, CASSIN_FOREVER);
	cassin_upcall_unmask(0);
	nap(15 * MS);
	CHECK_IS(upcalls, 1);
	start(notes, 1); /* long past: at once */
	CHECK_IS(upcalls, 2);
}

static void completion(int argc, char **argv)
{
	struct cassin_cqe cqe;
	(void)argc;
	(void)argv;
	start(notes, 0);
	cassin_upcall_mask = 0;
	start_op(1, CASSIN_OP_TIMEOUT, 0, NULL, 0, cassin_now() + 10 * MS);
	CHECK_IS(cassin_wait(0, CASSIN_NOW), 0);
	spin_until_seen(CASSIN_EVENT_COMPLETION); /* without a call */
	CHECK(cassin_next(&cqe));
	CHECK_IS(cqe.user_data, 1);
	CHECK_IS(do_op(CASSIN_OP_NOP, 0, 0, 0, 0), 0); /* done at once: the upcall comes behind the call */
	CHECK_IS(upcalls, 2);
}

/* An upcall ends a wait, and the call returns as if its deadline had passed. */
static void ends_wait(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	uint64_t begin = cassin_now();
	cassin_upcall_mask = ~(uint64_t)CASSIN_EVENT_TIMER;
	for (uint64_t i = 1; i <= 3; i++) {
		start(notes, cassin_now() + 20 * MS);
		while (upcalls < i)
			CHECK_IS(cassin_enter(0, i > 1, begin + 1000 * SECOND), 0);
		if (i == 1)
			CHECK_IS(do_op(CASSIN_OP_NOP, 0, 0, 0, 0), 0); /* now there are rings */
	}
	CHECK(cassin_now() < begin + 1000 * SECOND);
	CHECK_IS(seen, CASSIN_EVENT_TIMER);
}

/* A masked event ends a wait that names it, and waits on: nothing is lost between the guest's last look and its wait. */
static void wakes(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (int handler = 0; handler < 2; handler++) {
		start(handler ? notes : NULL, cassin_now() + 10 * MS);
		for (int i = 0; i < 3; i++) {
			CHECK_IS(enter_waking(CASSIN_EVENT_ALL, cassin_now() + 1000 * SECOND), 0);
			CHECK_IS(cassin_upcall_pending(), CASSIN_EVENT_TIMER);
		}
		uint64_t when = cassin_now() + 10 * MS;
		CHECK_IS(enter_waking(CASSIN_EVENT_STOP, when), 0); /* not named */
		CHECK(cassin_now() + MS / 10 >= when);
		start(NULL, CASSIN_FOREVER); /* set again, the timer has not fired */
		CHECK_IS(cassin_upcall_pending(), 0);
	}
	CHECK_IS(upcalls, 0);
}

/* What is masked waits, is shown in the info page, and comes when it is unmasked; many are one. */
static void masked(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	start(notes, cassin_now() + 5 * MS);
	cassin_upcall_mask = CASSIN_EVENT_TIMER;
	nap(20 * MS); /* a masked event does not end it */
	CHECK_IS(upcalls, 0);
	CHECK_IS(cassin_upcall_pending(), CASSIN_EVENT_TIMER);
	cassin_upcall_mask = ALL;
	for (int i = 0; i < 10; i++)
		start_op(1, CASSIN_OP_NOP, 0, NULL, 0, 0);
	CHECK_IS(cassin_wait(0, CASSIN_NOW), 0);
	CHECK_IS(upcalls, 0);
	CHECK_IS(cassin_upcall_pending(), CASSIN_EVENT_TIMER | CASSIN_EVENT_COMPLETION);
	cassin_upcall_unmask(CASSIN_EVENT_TIMER);
	CHECK_IS(upcalls, 1);
	CHECK_IS(seen, CASSIN_EVENT_COMPLETION);
	cassin_upcall_unmask(0);
	CHECK_IS(upcalls, 2);
	CHECK_IS(seen, CASSIN_EVENT_TIMER | CASSIN_EVENT_COMPLETION);
	cassin_upcall_unmask(0);
	CHECK_IS(upcalls, 2);
}

/* Completions that the guest has found by itself are no event any more, once enter has seen it. */
static void withdrawn(int argc, char **argv)
{
	struct cassin_cqe cqe;
	(void)argc;
	(void)argv;
	start(notes, 0);
	start_op(1, CASSIN_OP_NOP, 0, NULL, 0, 0);
	CHECK_IS(cassin_wait(1, CASSIN_FOREVER), 0);
	CHECK_IS(cassin_enter(0, 0, CASSIN_NOW), 0);
	CHECK_IS(cassin_upcall_pending(), CASSIN_EVENT_COMPLETION);
	CHECK(cassin_next(&cqe));
	CHECK_IS(cassin_enter(0, 0, CASSIN_NOW), 0);
	CHECK_IS(cassin_upcall_pending(), 0);
}

static void off(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	start(notes, cassin_now() + 5 * MS);
	CHECK_IS(cassin_upcall_set(NULL, NULL, 0, 0), 0);
	cassin_upcall_mask = 0;
	nap(15 * MS);
	CHECK_IS(upcalls, 0);
	CHECK_IS(cassin_upcall_pending(), CASSIN_EVENT_TIMER);
	start(notes, 0); /* it has waited */
	CHECK_IS(upcalls, 1);
}

/* The runner parks this guest, or makes a template of it, while it waits for its timer. */
static void waits(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	start(notes, cassin_now() + 2000 * MS);
	cassin_ready();
	cassin_print("waiting\n");
	CHECK_IS(enter_waking(CASSIN_EVENT_TIMER, cassin_now() + 1000 * SECOND), 0);
	CHECK_IS(upcalls, 0);
	cassin_upcall_unmask(0);
	CHECK_IS(upcalls, 1);
	CHECK_IS(seen, CASSIN_EVENT_TIMER);
}

/* The runner asks this guest to stop while it computes. */
static void stop(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	start(notes, 0);
	cassin_upcall_mask = 0;
	cassin_print("spinning\n");
	spin_until_seen(CASSIN_EVENT_STOP);
	CHECK_IS(upcalls, 1);
	cassin_print("stopped\n");
}

/* ---- And go ---- */

/* Computes with all registers, flags, fs base and vectors while upcalls rain. */
static void keeps(int argc, char **argv)
{
	uint64_t until = cassin_virtual() + argument(argc, argv, 60) * MS;
	static uint64_t tls[1];
	tls[0] = 99;
	CHECK_IS(cassin_call(CASSIN_CALL_TLS_SET, (uint64_t)tls, 0, 0, 0, 0), 0);
	period = MS / 2;
	start(notes, cassin_now() + period);
	cassin_upcall_mask = 0;
	while (cassin_virtual() < until || !upcalls) {
		uint64_t bad = 1, seed = upcalls * 77, tls_word;
		__asm__ volatile(
			"mov %[s], %%rax\n\tmovq %%rax, %%xmm3\n\tmovq %%rax, %%xmm14\n\tfldpi\n\t"
			"lea 1(%%rax), %%rbx\n\tlea 2(%%rax), %%rcx\n\tlea 3(%%rax), %%rdx\n\tlea 4(%%rax), %%rsi\n\t"
			"lea 5(%%rax), %%rdi\n\tlea 6(%%rax), %%r8\n\tlea 7(%%rax), %%r9\n\tlea 8(%%rax), %%r10\n\t"
			"lea 9(%%rax), %%r11\n\tlea 10(%%rax), %%r12\n\tlea 11(%%rax), %%r13\n\t"
			"mov $300000, %%r15\n\tstd\n1:\tdec %%r15\n\tjnz 1b\n\t"
			"pushf\n\tpop %%r14\n\tcld\n\tand $0x440, %%r14\n\tsub $0x440, %%r14\n\t" /* DF and ZF */
			"movq %%xmm3, %%r15\n\tsub %%rax, %%r15\n\tor %%r15, %%r14\n\t"
			"movq %%xmm14, %%r15\n\tsub %%rax, %%r15\n\tor %%r15, %%r14\n\t"
			"fldpi\n\tfcomip %%st(1), %%st\n\tfstp %%st(0)\n\tsetne %%r15b\n\tmovzbl %%r15b, %%r15d\n\t"
			"or %%r15, %%r14\n\t"
			"sub %%rax, %%rbx\n\tsub %%rax, %%rcx\n\tsub %%rax, %%rdx\n\tsub %%rax, %%rsi\n\t"
			"sub %%rax, %%rdi\n\tsub %%rax, %%r8\n\tsub %%rax, %%r9\n\tsub %%rax, %%r10\n\t"
			"sub %%rax, %%r11\n\tsub %%rax, %%r12\n\tsub %%rax, %%r13\n\t"
			"add %%rcx, %%rbx\n\tadd %%rdx, %%rbx\n\tadd %%rsi, %%rbx\n\tadd %%rdi, %%rbx\n\t"
			"add %%r8, %%rbx\n\tadd %%r9, %%rbx\n\tadd %%r10, %%rbx\n\tadd %%r11, %%rbx\n\t"
			"add %%r12, %%rbx\n\tadd %%r13, %%rbx\n\tsub $66, %%rbx\n\tor %%rbx, %%r14\n\t"
			"mov %%r14, %[bad]\n\tmov %%fs:0, %%rax\n\tmov %%rax, %[tls]"
			: [bad] "=m"(bad), [tls] "=m"(tls_word)
			: [s] "m"(seed)
			: "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
			  "r15", "cc", "memory", "xmm3", "xmm14", "st", "st(1)");
		CHECK_IS(bad, 0);
		CHECK_IS(tls_word, 99);
	}
	CHECK_IS(upcalls > 0, 1);
}

static uint64_t nests(uint64_t events, struct cassin_upcall_frame *frame)
{
	struct cassin_cqe cqe;
	depth = depth + 1;
	deepest = depth > deepest ? depth : deepest;
	upcalls = upcalls + 1;
	(void)frame;
	if (events & CASSIN_EVENT_TIMER) {
		/* A completion while the timer's handler runs, and is interrupted itself. */
		start_op(depth, CASSIN_OP_NOP, 0, NULL, 0, 0);
		CHECK_IS(cassin_wait(0, CASSIN_NOW), 0);
		uint64_t before = upcalls;
		cassin_upcall_unmask(CASSIN_EVENT_TIMER);
		CHECK_IS(upcalls, before + 1);
		cassin_upcall_mask = ALL;
		CHECK(cassin_next(&cqe));
		if (upcalls < 40)
			start(nests, 1); /* due: comes when this has returned */
	}
	depth = depth - 1;
	return 0;
}

static void nested(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(do_op(CASSIN_OP_NOP, 0, 0, 0, 0), 0);
	start(nests, 1);
	cassin_upcall_unmask(0);
	CHECK_IS(depth, 0);
	CHECK_IS(deepest, 2);
	CHECK_IS(upcalls, 40);
}

/* A timer that is always due: the guest gets no further than that it wants, and is bounded by itself. */
static uint64_t storms(uint64_t events, struct cassin_upcall_frame *frame)
{
	(void)events;
	(void)frame;
	upcalls = upcalls + 1;
	return upcalls < 2000 ? 1 : 0;
}

static void storm(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	start(storms, 1);
	cassin_upcall_unmask(0);
	CHECK_IS(upcalls, 2000);
}

/* ---- With user mode ---- */

CODE(spin, "1: inc %rax\njmp 1b");

static void over_user(int argc, char **argv)
{
	struct user u;
	uint64_t rounds = argument(argc, argv, 10), last = 0, ended = 0;
	USER_MAKE(&u, 0, spin);
	for (uint64_t i = 1; i <= rounds; i++) {
		start(notes, cassin_now() + 3 * MS);
		cassin_upcall_mask = 0;
		while (upcalls < i) { /* it may also come just before the user runs */
			int64_t r = user_go(&u, cassin_now() + 20 * MS);
			CHECK(r == CASSIN_USER_DEADLINE || (r == CASSIN_USER_EVENT && upcalls == i));
			ended += r == CASSIN_USER_EVENT;
			CHECK_IS(u.frame.events, 0);
			CHECK(u.frame.regs.rax >= last);
			last = u.frame.regs.rax;
		}
	}
	CHECK(ended > 0);
	cassin_upcall_mask = ALL;
	start(notes, cassin_now() + 3 * MS);
	CHECK_IS(user_go(&u, cassin_now() + 10 * MS), CASSIN_USER_DEADLINE); /* masked: it goes on */
	u.frame.wake = CASSIN_EVENT_TIMER;
	CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_EVENT);
	CHECK_IS(u.frame.events, CASSIN_EVENT_TIMER);
	CHECK_IS(upcalls, rounds);
	user_end(&u);
}

/* ---- Refusals ---- */

static int64_t set(uint64_t entry, uint64_t low, uint64_t size, uint64_t mask)
{
	return cassin_call(CASSIN_CALL_UPCALL_SET, entry, low, size, mask, 0);
}

static void refused(int argc, char **argv)
{
	const uint64_t entry = (uint64_t)refused, low = (uint64_t)stack, size = sizeof stack;
	const uint64_t mask = (uint64_t)&cassin_upcall_mask;
	(void)argc;
	(void)argv;
	CHECK_IS(set(CASSIN_VA_END, low, size, mask), -CASSIN_EINVAL);
	CHECK_IS(set(UINT64_MAX, low, size, mask), -CASSIN_EINVAL);
	CHECK_IS(set(entry, 0, size, mask), -CASSIN_EINVAL);
	CHECK_IS(set(entry, CASSIN_VA_END, size, mask), -CASSIN_EINVAL);
	CHECK_IS(set(entry, CASSIN_VA_END - size + 1, size, mask), -CASSIN_EINVAL);
	CHECK_IS(set(entry, low, UINT64_MAX, mask), -CASSIN_EINVAL);
	CHECK_IS(set(entry, low, CASSIN_UPCALL_STACK_MIN - 1, mask), -CASSIN_EINVAL);
	CHECK_IS(set(entry, low, size, mask + 4), -CASSIN_EINVAL);
	CHECK_IS(set(entry, low, size, 0), -CASSIN_EFAULT);
	CHECK_IS(set(entry, low, size, CASSIN_VA_END), -CASSIN_EFAULT);
	CHECK_IS(set(entry, low, size, UINT64_MAX - 7), -CASSIN_EFAULT);
	CHECK_IS(set(entry, low, size, (uint64_t)refused & ~UINT64_C(7)), -CASSIN_EFAULT);
	CHECK_IS(set(0, UINT64_MAX, UINT64_MAX, UINT64_MAX), 0); /* off: they are ignored */
}

static int64_t give_back(const void *frame)
{
	return cassin_call(CASSIN_CALL_UPCALL_RETURN, (uint64_t)frame, 0, 0, 0, 0);
}

static void bad_return(int argc, char **argv)
{
	static struct cassin_upcall_frame f;
	static const uint64_t bad[] = {CASSIN_VA_END, UINT64_C(0x800000000000), UINT64_C(1) << 63, UINT64_MAX};
	(void)argc;
	(void)argv;
	start(notes, 0);
	CHECK_IS(give_back(NULL), -CASSIN_EFAULT);
	CHECK_IS(give_back((void *)CASSIN_VA_END), -CASSIN_EFAULT);
	CHECK_IS(give_back((void *)UINT64_MAX), -CASSIN_EFAULT);
	CHECK_IS(give_back((void *)(CASSIN_VA_END - 8)), -CASSIN_EFAULT);
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		f = (struct cassin_upcall_frame){.regs.rip = bad[i]};
		CHECK_IS(give_back(&f), -CASSIN_EINVAL);
		f = (struct cassin_upcall_frame){.regs.rip = USER_CODE, .regs.rsp = bad[i] + (i == 0)};
		CHECK_IS(give_back(&f), -CASSIN_EINVAL);
		f = (struct cassin_upcall_frame){.regs.rip = USER_CODE, .regs.fs_base = bad[i]};
		CHECK_IS(give_back(&f), -CASSIN_EINVAL);
	}
	f = (struct cassin_upcall_frame){.regs.rip = USER_CODE, .rsv = 1};
	CHECK_IS(give_back(&f), -CASSIN_EINVAL);
	CHECK_IS(cassin_upcall_mask, ALL);
}

/* A frame made up by the guest itself is as good: all registers at once, and the mask. */
static void made_up(int argc, char **argv)
{
	static struct cassin_upcall_frame f;
	static volatile int passed;
	(void)argc;
	(void)argv;
	start(notes, 0);
	__asm__ volatile(
		"lea 1f(%%rip), %%rax\n\tmov %%rax, %[rip]\n\tmov %%rsp, %[rsp]\n\tmov %%rbp, %[rbp]\n\t"
		"movq $0x1234, %[rbx]\n\tmovq $-1, %[flags]\n\tmovq $6, %[mask]\n\t"
		"mov %[call], %%eax\n\tlea %[f], %%rdi\n\txor %%esi, %%esi\n\tout %%al, $0xca\n\tud2\n"
		"1:\tcld\n\tcmp $0x1234, %%rbx\n\tsete %[passed]"
		: [rip] "+m"(f.regs.rip), [rsp] "+m"(f.regs.rsp), [rbp] "+m"(f.regs.rbp), [rbx] "+m"(f.regs.rbx),
		  [flags] "+m"(f.regs.rflags), [mask] "+m"(f.mask), [f] "+m"(f), [passed] "+m"(passed)
		: [call] "i"(CASSIN_CALL_UPCALL_RETURN)
		: "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc",
		  "memory");
	CHECK_IS(passed, 1);
	CHECK_IS(cassin_upcall_mask, 6);
}

/* ---- These end the guest: the runner expects it ---- */

static void stack_unmapped(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_upcall_set(notes, (void *)(uint64_t)spare(0), 4096, 0), 0);
	CHECK_IS(cassin_unmap(0, (void *)(uint64_t)spare(0), 1), 0);
	cassin_upcall_mask = 0;
	cassin_upcall_set(notes, (void *)(uint64_t)spare(0), 4096, 1);
	cassin_print("alive\n");
}

static void stack_read_only(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_protect(0, (void *)(uint64_t)spare(0), 1, CASSIN_READ), 0);
	cassin_upcall_mask = 0;
	cassin_upcall_set(notes, (void *)(uint64_t)spare(0), 4096, 1);
	cassin_print("alive\n");
}

/* An entry that unmasks everything and has the next upcall come at once, without using the stack itself. */
void recurses(void);
__asm__(".text\nrecurses:\n\tmovq $0, cassin_upcall_mask(%rip)\n\tmov $16, %eax\n\tlea recurses(%rip), %rdi\n\t"
	"lea stack(%rip), %rsi\n\tmov $16384, %edx\n\tlea cassin_upcall_mask(%rip), %r10\n\tmov $1, %r8d\n\t"
	"out %al, $0xca\n\tud2\n");

static void stack_overflow(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	recurses();
}

static void mask_unmapped(int argc, char **argv)
{
	(void)argc;
	CHECK_IS(set((uint64_t)notes, (uint64_t)stack, sizeof stack, (uint64_t)spare(0)), 0);
	CHECK_IS(cassin_unmap(0, (void *)(uint64_t)spare(0), 1), 0);
	if (strcmp(argv[0], "mask-unmapped-wait") == 0)
		cassin_enter(0, 0, cassin_now() + SECOND);
	do_op(CASSIN_OP_NOP, 0, 0, 0, 0);
	cassin_print("alive\n");
}

static void entry_unmapped(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cassin_upcall_mask = 0;
	cassin_call(CASSIN_CALL_UPCALL_SET, 0x600000, (uint64_t)stack, sizeof stack, (uint64_t)&cassin_upcall_mask, 1);
	cassin_print("alive\n");
}

static const struct property all[] = {
	{"timer", timer},
	{"completion", completion},
	{"ends-wait", ends_wait},
	{"wakes", wakes},
	{"masked", masked},
	{"withdrawn", withdrawn},
	{"off", off},
	{"wait", waits},
	{"stop", stop},
	{"keep", keeps},
	{"nested", nested},
	{"storm", storm},
	{"over-user", over_user},
	{"refused", refused},
	{"bad-return", bad_return},
	{"made-up", made_up},
	{"stack-unmapped", stack_unmapped},
	{"stack-read-only", stack_read_only},
	{"stack-overflow", stack_overflow},
	{"mask-unmapped", mask_unmapped},
	{"mask-unmapped-wait", mask_unmapped},
	{"entry-unmapped", entry_unmapped},
};
PROPERTIES(all)
