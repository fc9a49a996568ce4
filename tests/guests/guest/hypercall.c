/* SPDX-License-Identifier: MIT */
/* The calls themselves: numbers, results, what is preserved. */
#include "check.h"

static void bad_number(int argc, char **argv)
{
	static const uint64_t numbers[] = {21, 255, 4096, UINT32_MAX, UINT64_C(1) << 32, UINT64_C(1) << 63, UINT64_MAX};
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
		CHECK_IS(cassin_call0(numbers[i]), -CASSIN_ENOSYS);
	CHECK_IS(cassin_call0(CASSIN_CALL_NULL), 0);
}

struct registers {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, flags;
};

/* Loads all of them, makes the call and stores them again. */
void call_with(struct registers *r);
__asm__(".text\n.globl call_with\n.type call_with, @function\ncall_with:\n"
	"push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15; push %rdi\n"
	"pushq 120(%rdi); popf\n"
	"mov (%rdi), %rax; mov 8(%rdi), %rbx; mov 16(%rdi), %rcx; mov 24(%rdi), %rdx; mov 32(%rdi), %rsi\n"
	"mov 48(%rdi), %rbp; mov 56(%rdi), %r8; mov 64(%rdi), %r9; mov 72(%rdi), %r10; mov 80(%rdi), %r11\n"
	"mov 88(%rdi), %r12; mov 96(%rdi), %r13; mov 104(%rdi), %r14; mov 112(%rdi), %r15; mov 40(%rdi), %rdi\n"
	"out %al, $0xca\n"
	"push %rdi; mov 8(%rsp), %rdi; pushf; popq 120(%rdi); popq 40(%rdi); cld\n"
	"mov %rax, (%rdi); mov %rbx, 8(%rdi); mov %rcx, 16(%rdi); mov %rdx, 24(%rdi); mov %rsi, 32(%rdi)\n"
	"mov %rbp, 48(%rdi); mov %r8, 56(%rdi); mov %r9, 64(%rdi); mov %r10, 72(%rdi); mov %r11, 80(%rdi)\n"
	"mov %r12, 88(%rdi); mov %r13, 96(%rdi); mov %r14, 104(%rdi); mov %r15, 112(%rdi)\n"
	"pop %rdi; pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n"
	".size call_with, . - call_with\n");

#define STATUS_FLAGS UINT64_C(0xcd5)

static void keeps(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t flags, int64_t result)
{
	struct registers in, out;
	CHECK_IS(cassin_random(&in, sizeof in), 0);
	in.rax = number;
	in.rdi = a;
	in.rsi = b;
	in.rdx = c;
	in.flags = flags | 2;
	out = in;
	call_with(&out);
	CHECK_IS(out.rax, result);
	CHECK_IS(out.flags & STATUS_FLAGS, flags);
	out.rax = in.rax;
	out.flags = in.flags;
	CHECK_IS(memcmp(&in, &out, sizeof in), 0);
}

static void keeps_registers(int argc, char **argv)
{
	static char text[16];
	static struct cassin_info info;
	static const uint64_t flags[] = {0, STATUS_FLAGS, 0x1, 0x4, 0x40, 0x80, 0x400, 0x800};
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
		keeps(CASSIN_CALL_NULL, 1, 2, 3, flags[i], 0);
		keeps(99, 1, 2, 3, flags[i], -CASSIN_ENOSYS);
		keeps(CASSIN_CALL_YIELD, 1, 2, 3, flags[i], 0);
		keeps(CASSIN_CALL_LOG, (uint64_t)text, 0, 3, flags[i], 0);
		keeps(CASSIN_CALL_INFO, (uint64_t)&info, sizeof info, 3, flags[i], sizeof info);
		keeps(CASSIN_CALL_ENTER, 0, 1, cassin_now() + 5 * MS, flags[i], 0);
	}
}

static void logs(int argc, char **argv)
{
	static char text[4097];
	(void)argc;
	(void)argv;
	memset(text, 'x', sizeof text);
	CHECK_IS(cassin_call(CASSIN_CALL_LOG, (uint64_t)text, 0, 0, 0, 0), 0);
	CHECK_IS(cassin_call(CASSIN_CALL_LOG, (uint64_t)text, 4096, 0, 0, 0), 4096);
	CHECK_IS(cassin_call(CASSIN_CALL_LOG, (uint64_t)text, 4097, 0, 0, 0), -CASSIN_EINVAL);
	CHECK_IS(cassin_call(CASSIN_CALL_LOG, (uint64_t)text, UINT64_MAX, 0, 0, 0), -CASSIN_EINVAL);
}

static void informs(int argc, char **argv)
{
	struct cassin_info info[2];
	(void)argc;
	(void)argv;
	memset(info, 0xee, sizeof info);
	CHECK_IS(cassin_call(CASSIN_CALL_INFO, (uint64_t)info, 0, 0, 0, 0), 0);
	CHECK_IS(cassin_call(CASSIN_CALL_INFO, (uint64_t)info, 8, 0, 0, 0), 8);
	CHECK_IS(info[0].pages, cassin_boot->pages);
	CHECK_IS(info[0].pages_used, 0xeeeeeeeeeeeeeeee);
	CHECK_IS(cassin_call(CASSIN_CALL_INFO, (uint64_t)info, UINT64_MAX, 0, 0, 0), sizeof *info);
	CHECK_IS(info[1].pages, 0xeeeeeeeeeeeeeeee);
	CHECK(info[0].pages_used > 0 && info[0].pages_used < info[0].pages);
	CHECK(info[0].table_pages > 0 && info[0].exits > 0 && info[0].hypercalls > 0);
	CHECK(info[0].started_at > 0 && info[0].started_at <= cassin_now());
	cassin_info(info); /* where time takes a call, cassin_now() was one */
	uint64_t before = info[0].hypercalls;
	for (int i = 0; i < 10; i++)
		cassin_call0(CASSIN_CALL_NULL);
	cassin_info(info);
	CHECK_IS(info[0].hypercalls - before, 11);
}

static uint64_t fs_word(void)
{
	uint64_t word;
	__asm__ volatile("mov %%fs:0, %0" : "=r"(word));
	return word;
}

static void sets_tls(int argc, char **argv)
{
	static uint64_t a[2] = {111}, b[2] = {222};
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_call(CASSIN_CALL_TLS_SET, CASSIN_VA_END, 0, 0, 0, 0), -CASSIN_EINVAL);
	CHECK_IS(cassin_call(CASSIN_CALL_TLS_SET, UINT64_MAX, 0, 0, 0, 0), -CASSIN_EINVAL);
	for (int i = 0; i < 20; i++) {
		CHECK_IS(cassin_call(CASSIN_CALL_TLS_SET, (uint64_t)(i % 2 ? a : b), 0, 0, 0, 0), 0);
		CHECK_IS(fs_word(), i % 2 ? 111 : 222);
		cassin_call0(CASSIN_CALL_YIELD);
		CHECK_IS(fs_word(), i % 2 ? 111 : 222);
		cassin_sleep_until(cassin_now() + 2 * MS);
		CHECK_IS(fs_word(), i % 2 ? 111 : 222);
	}
}

static void enters(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_enter(1, 0, 0), -CASSIN_EINVAL);
	CHECK_IS(cassin_enter(0, 1, 0), -CASSIN_EINVAL);
	CHECK_IS(cassin_enter(0, UINT64_MAX, 0), -CASSIN_EINVAL);
	CHECK_IS(cassin_enter(0, 0, CASSIN_FOREVER), -CASSIN_EINVAL);
	CHECK_IS(cassin_enter(0, 0, CASSIN_NOW), 0);
	uint64_t before = cassin_now();
	CHECK_IS(cassin_enter(0, 0, before + 20 * MS), 0);
	CHECK(cassin_now() >= before + 20 * MS);
	CHECK_IS(do_op(CASSIN_OP_NOP, 0, 0, 0, 0), 0);
	before = cassin_now();
	CHECK_IS(cassin_enter(0, 0, CASSIN_FOREVER), 0);
	CHECK_IS(cassin_enter(0, 0, before + 3600 * 1000 * MS), 0);
	before = cassin_now();
	CHECK_IS(cassin_enter(0, 1, before + 20 * MS), 0);
	CHECK(cassin_now() >= before + 20 * MS);
	CHECK_IS(cassin_enter(0, 17, CASSIN_NOW), -CASSIN_EINVAL);
	CHECK_IS(cassin_enter(0, UINT64_C(8) << CASSIN_WAKE_SHIFT, CASSIN_NOW), -CASSIN_EINVAL);
}

static void randomises(int argc, char **argv)
{
	static unsigned char a[64], b[64];
	(void)argc;
	(void)argv;
	CHECK_IS(do_op(CASSIN_OP_RANDOM, 0, (uint64_t)a, sizeof a, 0), sizeof a);
	CHECK_IS(do_op(CASSIN_OP_RANDOM, 0, (uint64_t)b, sizeof b, 0), sizeof b);
	CHECK(memcmp(a, b, sizeof a) != 0);
	CHECK(memcmp(cassin_boot->seed, a, 32) != 0);
	CHECK_IS(do_op(CASSIN_OP_RANDOM, 0, (uint64_t)a, 0, 0), 0);
	CHECK_IS(do_op(CASSIN_OP_RANDOM, 0, (uint64_t)spare(0), CASSIN_IO_MAX, 0), CASSIN_IO_MAX);
	unsigned differs = 0;
	for (unsigned i = 0; i < 256; i++)
		differs += spare(i)[0] != spare(i)[1];
	CHECK(differs > 200);
	CHECK_IS(do_op(CASSIN_OP_RANDOM, 0, (uint64_t)spare(0), CASSIN_IO_MAX + 1, 0), -CASSIN_EINVAL);
	CHECK_IS(do_op(CASSIN_OP_RANDOM, 0, (uint64_t)spare(0), UINT32_MAX, 0), -CASSIN_EINVAL);
}

static void tells_time(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (uint64_t clock = 0; clock < 3; clock++)
		CHECK(cassin_call(CASSIN_CALL_TIME, clock, 0, 0, 0, 0) > 0);
	CHECK_IS(cassin_call(CASSIN_CALL_TIME, 3, 0, 0, 0, 0), -CASSIN_EINVAL);
	CHECK_IS(cassin_call(CASSIN_CALL_TIME, UINT64_MAX, 0, 0, 0, 0), -CASSIN_EINVAL);
}

static int32_t do_sqe(struct cassin_sqe sqe)
{
	return cassin_do(&sqe);
}

static void refuses_reserved(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(do_sqe((struct cassin_sqe){.op = CASSIN_OP_CLOSE + 1}), -CASSIN_EINVAL);
	CHECK_IS(do_sqe((struct cassin_sqe){.op = 255}), -CASSIN_EINVAL);
	for (unsigned bit = 2; bit < 256; bit <<= 1)
		CHECK_IS(do_sqe((struct cassin_sqe){.flags = (uint8_t)bit}), -CASSIN_EINVAL);
	CHECK_IS(do_sqe((struct cassin_sqe){.rsv0 = 1}), -CASSIN_EINVAL);
	CHECK_IS(do_sqe((struct cassin_sqe){.op_flags = 1}), -CASSIN_EINVAL);
	for (int i = 0; i < 3; i++) {
		struct cassin_sqe sqe = {0};
		sqe.rsv1[i] = 1;
		CHECK_IS(do_sqe(sqe), -CASSIN_EINVAL);
	}
	CHECK_IS(do_sqe((struct cassin_sqe){.len = CASSIN_IO_MAX + 1}), -CASSIN_EINVAL);
	CHECK_IS(do_sqe((struct cassin_sqe){0}), 0);
}

static void skips_success(int argc, char **argv)
{
	struct cassin_cqe cqe;
	(void)argc;
	(void)argv;
	struct cassin_sqe *sqe = cassin_sqe(CASSIN_OP_NOP, 1);
	sqe->flags = CASSIN_SQE_SKIP_SUCCESS;
	sqe = cassin_sqe(CASSIN_OP_CANCEL, 2); /* fails: nothing to cancel */
	sqe->flags = CASSIN_SQE_SKIP_SUCCESS;
	sqe->offset = 12345;
	start_op(3, CASSIN_OP_NOP, 0, NULL, 0, 0);
	CHECK_IS(await(2), -CASSIN_ENOENT);
	CHECK_IS(await(3), 0);
	CHECK(!cassin_next(&cqe));
}

/* A guest may load null selectors; its own fs base is then its own business. */
static void null_segments(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	__asm__ volatile("xor %%eax, %%eax\n\tmov %%eax, %%ds\n\tmov %%eax, %%es\n\tmov %%eax, %%fs\n\tmov %%eax, %%gs"
			 :
			 :
			 : "rax");
	for (int i = 0; i < 20; i++) {
		CHECK_IS(cassin_call0(CASSIN_CALL_YIELD), 0);
		cassin_sleep_until(cassin_now() + MS);
	}
}

/* The call needs no stack. */
static void without_stack(int argc, char **argv)
{
	uint64_t result;
	(void)argc;
	(void)argv;
	__asm__ volatile("mov %%rsp, %%rbx\n\txor %%esp, %%esp\n\tout %%al, $0xca\n\tmov %%rbx, %%rsp"
			 : "=a"(result)
			 : "a"(CASSIN_CALL_YIELD)
			 : "rbx", "memory");
	CHECK_IS(result, 0);
}

static const struct property all[] = {
	{"bad-number", bad_number},
	{"registers", keeps_registers},
	{"log", logs},
	{"info", informs},
	{"tls", sets_tls},
	{"enter", enters},
	{"random", randomises},
	{"time", tells_time},
	{"reserved", refuses_reserved},
	{"skip-success", skips_success},
	{"null-segments", null_segments},
	{"without-stack", without_stack},
};
PROPERTIES(all)
