/* SPDX-License-Identifier: MIT */
/*
 * What the kernel of a host would answer, were it asked: it is not, whatever runs guests. User code tries each way in, and its
 * kernel, which gets a report for each, looks whether anything was done.
 */
#include "user.h"

CASSIN_NEEDS_1_1;

#define ANY UINT64_MAX
#define READ_OR_WRITE (UINT64_MAX - 1) /* of an instruction that does both; an emulated processor reads first */
#define PATTERN UINT64_C(0x5a5a5a5a5a5a5a5a)
#define PAGE_OF_HOST UINT64_C(0x7ff000000000) /* where a process that runs a guest has a page of its own */
#define UD 6
#define AC 17
#define PF 14

/* ---- Calls of a host's kernel: each would write to the user's data, or to its file, or end it ---- */

CODE(call_write, "mov $1, %eax\nmov $3, %edi\nmov $0x500000, %esi\nmov $64, %edx\nsyscall\n" CALL);
CODE(call_read, "xor %eax, %eax\nmov $3, %edi\nmov $0x500000, %esi\nmov $64, %edx\nsyscall\n" CALL);
CODE(call_exit, "mov $231, %eax\nmov $3, %edi\nsyscall\n" CALL);
CODE(call_time, "mov $96, %eax\nmov $0x500000, %edi\nxor %esi, %esi\nsyscall\n" CALL);
CODE(call_x32, "mov $0x40000060, %eax\nmov $0x500000, %edi\nxor %esi, %esi\nsyscall\n" CALL);
#define MMAP_REST "mov $0x11, %r10d\nmov $3, %r8d\nxor %r9d, %r9d\n"
CODE(call_mmap, MMAP_REST "mov $9, %eax\nmov $0x600000, %edi\nmov $4096, %esi\nmov $3, %edx\nsyscall\n" CALL);
CODE(call_sigreturn, "mov $15, %eax\nmov $0x500000, %esp\nsyscall\n" CALL);
CODE(call_none, "mov $-1, %rax\nsyscall\n" CALL);
#define OLD_CALL "mov $78, %eax\nmov $0x500000, %ebx\nxor %ecx, %ecx\nint $0x80\n" CALL
CODE(call_old, OLD_CALL);
CODE(call_old_sigreturn, "mov $173, %eax\nmov $0x500000, %esp\nint $0x80\n" CALL);
CODE(call_enter, "mov $78, %eax\nmov $0x500000, %ebx\nmov $0x500800, %ebp\nsysenter\n" CALL);
CODE(breakpoint, "int3\n" CALL);
CODE(breakpoint_long, ".byte 0xcd, 3\n" CALL);
CODE(overflow, "int $4\nnop\n" CALL);
CODE(icebp, ".byte 0xf1\n" CALL);

/* The page of Linux that answers calls of old programs. */
#define VSYSCALL(at) "mov $" at ", %rax\nmov $0x500000, %edi\nxor %esi, %esi\nxor %edx, %edx\n"
CODE(vsyscall_time, VSYSCALL("0xffffffffff600000") "call *%rax\n" CALL);
CODE(vsyscall_seconds, VSYSCALL("0xffffffffff600400") "call *%rax\n" CALL);
CODE(vsyscall_cpu, VSYSCALL("0xffffffffff600800") "call *%rax\n" CALL);
CODE(vsyscall_jump, VSYSCALL("0xffffffffff600000") "jmp *%rax\n" CALL);
CODE(vsyscall_within, VSYSCALL("0xffffffffff600001") "call *%rax\n" CALL);
CODE(vsyscall_read, "mov $0xffffffffff600000, %rax\nmov (%rax), %eax\n" CALL);
CODE(vsyscall_write, "mov $0xffffffffff600000, %rax\nmov %eax, (%rax)\n" CALL);
CODE(vsyscall_no_stack, VSYSCALL("0xffffffffff600000") "mov $0x600000, %esp\njmp *%rax\n" CALL);

/* Code of 32 bits, by the selector that Linux has for it. Where the host lets it run, its calls are refused as others are. */
CODE(narrow_return, "pushq $0x23\npushq $0x400100\nlretq\n" CALL);
CODE(narrow_call, "pushq $0x23\npushq $1f-narrow_call+0x400000\nlretq\n1: " OLD_CALL);
#define STACK "pushq $0x2b\npushq $0x501000\npushq $2\n"
CODE(narrow_interrupt, STACK "pushq $0x23\npushq $1f-narrow_interrupt+0x400000\niretq\n1: " OLD_CALL);

/* Above the guests' addresses. */
CODE(past_read, "mov $0x8000000000, %rax\nmov (%rax), %al\n" CALL);
CODE(past_write, "mov $0x8000000000, %rax\nmov %al, (%rax)\n" CALL);
CODE(past_jump, "mov $0x8000000000, %rax\njmp *%rax\n" CALL);
CODE(past_straddle, "mov $0x7ffffffffc, %rax\nmov (%rax), %rax\n" CALL);
CODE(host_write, "mov $0x7ff000000000, %rax\nmov %al, (%rax)\n" CALL);
CODE(host_write_add, "mov $0x7ff000000800, %rax\nlock addq $1, (%rax)\n" CALL);
CODE(host_push, "mov $0x7ff000000808, %rsp\npush %rax\n" CALL);

/* ---- What a fault was, where an instruction leaves it open ---- */

CODE(read_behind, "jmp 1f\n.fill 0xff9 - 5, 1, 0x90\n1: mov 0x401000, %eax");
CODE(write_behind, "jmp 1f\n.fill 0xff9 - 5, 1, 0x90\n1: mov %eax, 0x401000");
CODE(run_behind, "jmp 1f\n.fill 0xffe - 5, 1, 0x90\n1: .byte 0x8b, 0x04");
CODE(push_memory, "mov $0x600010, %eax\npushq (%rax)\n" CALL);
CODE(push_nowhere, "mov $0x600010, %esp\npushq 0x500000\n" CALL);
CODE(call_memory, "mov $0x600010, %eax\ncallq *(%rax)\n" CALL);
CODE(call_nowhere, "mov $0x600010, %esp\ncall 1f\n1: " CALL);
CODE(add_memory, "addl $1, 0x600010\n" CALL);
CODE(compare_memory, "cmpl $1, 0x600010\n" CALL);
CODE(exchange, "mov $0x600010, %edi\nlock cmpxchg %ecx, (%rdi)\n" CALL);
CODE(copy_from, "mov $0x600010, %esi\nmov $0x500000, %edi\nmov $9, %ecx\nrep movsb\n" CALL);
CODE(copy_to, "mov $0x500000, %esi\nmov $0x600010, %edi\nmov $9, %ecx\nrep movsb\n" CALL);
CODE(copy_over, "mov $0x600010, %esi\nmov $0x600018, %edi\nmov $9, %ecx\nrep movsq\n" CALL);
CODE(copy_past_end, "mov $0x501f00, %edi\nmov $0x500000, %esi\nmov $64, %ecx\nrep movsq\n" CALL);
CODE(store_string, "mov $0x600010, %edi\nstosq\n" CALL);
CODE(set_bit, "mov $0x500000, %edi\nmov $0x800080, %eax\nbts %rax, (%rdi)\n" CALL);
CODE(by_fs, "mov %rax, %fs:0x10\n" CALL);
CODE(store_vector, "movups %xmm0, 0x600010\n" CALL);
CODE(load_vector, "movups 0x600010, %xmm0\n" CALL);

struct trial {
	const char *name, *code, *end;
	uint64_t vector, error, address;
};
#define TRIAL(code, ...)                                                                                               \
	{                                                                                                              \
#code, code, code##_end, __VA_ARGS__                                                                   \
	}

static const struct trial calls[] = {
	TRIAL(call_write, ANY, ANY, ANY),         TRIAL(call_read, ANY, ANY, ANY),  TRIAL(call_exit, ANY, ANY, ANY),
	TRIAL(call_time, ANY, ANY, ANY),          TRIAL(call_x32, ANY, ANY, ANY),   TRIAL(call_mmap, ANY, ANY, ANY),
	TRIAL(call_sigreturn, ANY, ANY, ANY),     TRIAL(call_none, ANY, ANY, ANY),  TRIAL(call_old, ANY, ANY, ANY),
	TRIAL(call_old_sigreturn, ANY, ANY, ANY), TRIAL(call_enter, ANY, ANY, ANY), TRIAL(breakpoint, ANY, ANY, 0),
	TRIAL(breakpoint_long, ANY, ANY, 0),      TRIAL(overflow, ANY, ANY, 0),     TRIAL(icebp, ANY, ANY, 0),
};

static const struct trial vsyscalls[] = {
	TRIAL(vsyscall_time, PF, CASSIN_EXEC, UINT64_C(0xffffffffff600000)),
	TRIAL(vsyscall_seconds, PF, CASSIN_EXEC, UINT64_C(0xffffffffff600400)),
	TRIAL(vsyscall_cpu, PF, CASSIN_EXEC, UINT64_C(0xffffffffff600800)),
	TRIAL(vsyscall_jump, PF, CASSIN_EXEC, UINT64_C(0xffffffffff600000)),
	TRIAL(vsyscall_within, PF, CASSIN_EXEC, UINT64_C(0xffffffffff600001)),
	TRIAL(vsyscall_read, PF, CASSIN_READ, UINT64_C(0xffffffffff600000)),
	TRIAL(vsyscall_write, PF, CASSIN_WRITE, UINT64_C(0xffffffffff600000)),
	TRIAL(vsyscall_no_stack, PF, ANY, ANY),
};

static const struct trial modes[] = {
	TRIAL(narrow_return, ANY, ANY, ANY),
	TRIAL(narrow_call, ANY, ANY, ANY),
	TRIAL(narrow_interrupt, ANY, ANY, ANY),
};

static const struct trial places[] = {
	TRIAL(past_read, PF, CASSIN_READ, CASSIN_VA_END),
	TRIAL(past_write, PF, CASSIN_WRITE, CASSIN_VA_END),
	TRIAL(past_jump, PF, CASSIN_EXEC, CASSIN_VA_END),
	TRIAL(past_straddle, PF, CASSIN_READ, ANY),
	TRIAL(host_write, PF, CASSIN_WRITE, PAGE_OF_HOST),
	TRIAL(host_write_add, PF, READ_OR_WRITE, PAGE_OF_HOST + 0x800),
	TRIAL(host_push, PF, CASSIN_WRITE, PAGE_OF_HOST + 0x800),
};

static const struct trial accesses[] = {
	TRIAL(read_behind, PF, CASSIN_READ, 0x401000),    TRIAL(write_behind, PF, CASSIN_WRITE, 0x401000),
	TRIAL(run_behind, PF, CASSIN_EXEC, 0x401000),     TRIAL(push_memory, PF, CASSIN_READ, 0x600010),
	TRIAL(push_nowhere, PF, CASSIN_WRITE, 0x600008),  TRIAL(call_memory, PF, CASSIN_READ, 0x600010),
	TRIAL(call_nowhere, PF, CASSIN_WRITE, 0x600008),  TRIAL(add_memory, PF, READ_OR_WRITE, 0x600010),
	TRIAL(compare_memory, PF, CASSIN_READ, 0x600010), TRIAL(exchange, PF, READ_OR_WRITE, 0x600010),
	TRIAL(copy_from, PF, CASSIN_READ, 0x600010),      TRIAL(copy_to, PF, CASSIN_WRITE, 0x600010),
	TRIAL(copy_over, PF, CASSIN_READ, 0x600010),      TRIAL(copy_past_end, PF, CASSIN_WRITE, 0x502000),
	TRIAL(store_string, PF, CASSIN_WRITE, 0x600010),  TRIAL(set_bit, PF, READ_OR_WRITE, 0x600010),
	TRIAL(by_fs, PF, CASSIN_WRITE, 0x600010),         TRIAL(store_vector, PF, CASSIN_WRITE, 0x600010),
	TRIAL(load_vector, PF, CASSIN_READ, 0x600010),
};

static void fill(struct user *u)
{
	for (unsigned i = 0; i < 512; i++)
		user_data(u)[i] = PATTERN;
}

static bool untouched(const struct user *u)
{
	for (unsigned i = 0; i < 512; i++) {
		if (user_data(u)[i] != PATTERN)
			return false;
	}
	return true;
}

static bool is_right(uint64_t error, uint64_t wanted)
{
	return wanted == ANY || error == wanted ||
	       (wanted == READ_OR_WRITE && (error == CASSIN_READ || error == CASSIN_WRITE));
}

static void try_all(const struct trial *all, size_t n, bool data_stays)
{
	unsigned failed = 0;
	for (size_t i = 0; i < n; i++) {
		const struct trial *t = &all[i];
		struct user u;
		user_make(&u, 0, t->code, t->end);
		u.frame.regs.fs_base = 0x600000;
		fill(&u);
		int64_t r = user_go(&u, CASSIN_FOREVER);
		const struct cassin_user_frame *f = &u.frame;
		if (r != CASSIN_USER_FAULT || (t->vector != ANY && f->vector != t->vector) ||
		    !is_right(f->error, t->error) || (t->address != ANY && f->address != t->address) ||
		    (data_stays && !untouched(&u))) {
			cassin_print("%s: result %d, vector %llu, error %llu, address 0x%llx, rip 0x%llx, data %s\n",
				     t->name, (int)r, (unsigned long long)f->vector, (unsigned long long)f->error,
				     (unsigned long long)f->address, (unsigned long long)f->regs.rip,
				     untouched(&u) ? "as it was" : "changed");
			failed++;
		}
		user_end(&u);
	}
	CHECK_IS(failed, 0);
}
#define ALL(array, data_stays) try_all(array, sizeof(array) / sizeof *(array), data_stays)

static void run_calls(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	ALL(calls, true);
}

static void run_vsyscalls(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	ALL(vsyscalls, true);
}

static void run_modes(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	ALL(modes, true);
}

static void run_places(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	ALL(places, true);
}

static void run_accesses(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	ALL(accesses, false);
}

/* ---- A jump to every byte of a page that is the host's ---- */

CODE(jump, "jmp *%rax\n");

/* Registers point at the user's own data, so that code there that reads a list would find one. */
static void jumps(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (uint64_t i = 0; i < CASSIN_PAGE_SIZE; i++) {
		struct user u;
		USER_MAKE(&u, 0, jump);
		user_data(&u)[0] = 0x500000;
		user_data(&u)[1] = 4096;
		user_data(&u)[3] = i % 2 ? 0x100 : 3; /* one that would unmap, one that would map */
		u.frame.regs.rax = PAGE_OF_HOST + i;
		u.frame.regs.rbx = USER_DATA;
		CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_FAULT);
		CHECK_IS(u.frame.vector, PF);
		CHECK_IS(u.frame.error, CASSIN_EXEC);
		CHECK(u.frame.address >= PAGE_OF_HOST && u.frame.address < PAGE_OF_HOST + CASSIN_PAGE_SIZE);
		CHECK_IS(user_data(&u)[0], 0x500000);
		CHECK_IS(user_data(&u)[1], 4096);
		u.frame.regs.rip = USER_CODE;
		u.frame.regs.rax = USER_CODE + 2;
		CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_FAULT); /* its code and data are there still */
		CHECK(u.frame.address < USER_STACK_TOP);
		user_end(&u);
	}
}

/* ---- Flags and segments ---- */

CODE(unaligned, "pushf\norl $0x40000, (%rsp)\npopf\nmov 0x500001, %rax\nmov %rax, 0x500009\n" CALL);
CODE(write_bases, "mov $0x1234000, %eax\nwrfsbase %rax\nwrgsbase %rax\n" CALL "jmp write_bases");
CODE(read_bases, "rdfsbase %rax\nrdgsbase %rbx\n" CALL "jmp read_bases");
CODE(load_segments, "mov $0x2b, %eax\nmov %eax, %ds\nmov %eax, %es\nmov %eax, %fs\nmov %eax, %gs\n" CALL);
CODE(look, "mov %ds, %eax\nmov %es, %ebx\nmov %fs, %ecx\nmov %gs, %edx\nmov %fs:0, %rsi\n" CALL);

/* The alignment flag has no effect; or, with a KVM that leaves it to the host's processor, the one that it has there. */
static void alignment(int argc, char **argv)
{
	struct user u;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, unaligned);
	user_data(&u)[0] = UINT64_C(0x1122334455667788);
	if (user_go(&u, CASSIN_FOREVER) == CASSIN_USER_CALL)
		CHECK_IS(u.frame.regs.rax, UINT64_C(0x0011223344556677));
	else
		CHECK_IS(u.frame.vector, AC);
	user_end(&u);
}

/* Bases and selectors that one user leaves are not there for another. */
static void segments(int argc, char **argv)
{
	struct user wild, other;
	uint64_t before[4] = {0};
	(void)argc;
	(void)argv;
	USER_MAKE(&other, 1, look);
	other.frame.regs.fs_base = USER_DATA;
	user_data(&other)[0] = 77;
	for (int i = 0; i < 4; i++) {
		const char *const codes[][2] = {{write_bases, write_bases_end}, {load_segments, load_segments_end}};
		other.frame.regs.rip = USER_CODE;
		CHECK_IS(user_go(&other, CASSIN_FOREVER), CASSIN_USER_CALL);
		CHECK_IS(other.frame.regs.rsi, 77);
		uint64_t now[4] = {other.frame.regs.rax, other.frame.regs.rbx, other.frame.regs.rcx,
				   other.frame.regs.rdx};
		for (int k = 0; k < 4; k++) {
			CHECK(!i || now[k] == before[k]);
			before[k] = now[k];
		}
		user_make(&wild, 0, codes[i % 2][0], codes[i % 2][1]);
		int64_t r = user_go(&wild, CASSIN_FOREVER);
		CHECK(r == CASSIN_USER_CALL || r == CASSIN_USER_FAULT);
		user_end(&wild);
		user_make(&wild, 0, read_bases, read_bases_end);
		r = user_go(&wild, CASSIN_FOREVER);
		CHECK(r == CASSIN_USER_CALL ? !wild.frame.regs.rax && !wild.frame.regs.rbx : wild.frame.vector == UD);
		user_end(&wild);
	}
	user_end(&other);
}

CODE(wide, "vpxord %zmm0, %zmm0, %zmm0\nvmovdqu64 %zmm0, 0x500000\n" CALL);
/* tilerelease, tilezero */
CODE(tiles, ".byte 0xc4, 0xe2, 0x78, 0x49, 0xc0\n.byte 0xc4, 0xe2, 0x7b, 0x49, 0xc0\n" CALL);

/* Where the processor has it, it may work; nobody else is touched. */
static void extensions(int argc, char **argv)
{
	struct user u;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, wide);
	int64_t r = user_go(&u, CASSIN_FOREVER);
	CHECK(r == CASSIN_USER_CALL || (r == CASSIN_USER_FAULT && u.frame.vector == UD));
	user_end(&u);
	USER_MAKE(&u, 0, tiles);
	CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_FAULT);
	user_end(&u);
}

static const struct property all[] = {
	{"calls", run_calls},     {"vsyscalls", run_vsyscalls}, {"modes", run_modes},
	{"places", run_places},   {"accesses", run_accesses},   {"jumps", jumps},
	{"alignment", alignment}, {"segments", segments},       {"extensions", extensions},
};
PROPERTIES(all)
