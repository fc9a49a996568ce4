/* SPDX-License-Identifier: MIT */
/*
 * Ways into a host's kernel, each by all its numbers; states in which few programs are when they go there; bytes at random. User code
 * tries them, a second user finds all as it left it, and its own data is untouched where nothing writes to it.
 */
#include "user_trial.h"

CASSIN_NEEDS_1_1;

/* ---- Ways in by number ---- */

static uint64_t try_bytes(struct user *u, const char *bytes, size_t n, uint64_t rax)
{
	put_code(u, bytes, n);
	u->frame.regs = (struct cassin_registers){.rip = USER_CODE,
						  .rsp = USER_DATA + 4096,
						  .rax = rax,
						  .rdi = USER_DATA,
						  .rsi = USER_DATA,
						  .rdx = 64,
						  .rbx = USER_DATA,
						  .rcx = USER_DATA};
	int64_t r = user_go(u, CASSIN_FOREVER);
	if (r != CASSIN_USER_FAULT)
		cassin_print("%02x %02x with rax 0x%llx: result %d\n", (unsigned)bytes[0] & 0xff,
			     (unsigned)bytes[1] & 0xff, (unsigned long long)rax, (int)r);
	CHECK_IS(r, CASSIN_USER_FAULT);
	return u->frame.regs.rip;
}

#define SKIPPED 26 /* there is a KVM that does nothing for it */

/* Each vector: a fault, whatever comes behind it. */
static void interrupts(int argc, char **argv)
{
	struct user u;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, look);
	fill(&u, PATTERN);
	for (unsigned i = 0; i < 256; i++) {
		if (i == SKIPPED)
			continue;
		char bytes[2] = {(char)0xcd, (char)i};
		uint64_t rip = try_bytes(&u, bytes, sizeof bytes, 20);
		CHECK(rip == USER_CODE || rip == USER_CODE + 2); /* behind it, on some KVMs */
	}
	CHECK_IS(user_data(&u)[0], PATTERN);
}

/* The same two bytes at the end of another instruction: what is behind them is a call as ever. */
static void not_interrupts(int argc, char **argv)
{
	static const char *const before[] = {"\xb8\x00\x00\xcd\x04", "\x05\x00\x00\xcd\x04", "\xa9\xcd\x04\xcd\x04"};
	struct user u;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, look);
	for (unsigned i = 0; i < 3; i++) {
		for (unsigned times = 0; times < 100; times++) {
			put_code(&u, before[i], 5);
			u.frame.regs = (struct cassin_registers){.rip = USER_CODE, .rsp = USER_DATA + 4096};
			CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_CALL);
			CHECK_IS(u.frame.regs.rip, USER_CODE + 7);
		}
	}
}

/* Calls of a host's kernel, by all their numbers: also those that kernels have for their own tools. */
static void numbers(int argc, char **argv)
{
	static const char ways[][3] = {"\x0f\x05", "\xcd\x80", "\x0f\x34"};
	static const uint64_t from[] = {0, UINT64_C(0x40000000), UINT64_C(0xfffffffffffffff0), UINT64_C(0x7ffffff0)};
	static const unsigned count[] = {600, 560, 16, 16};
	struct user u;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, look);
	fill(&u, PATTERN);
	other_begins();
	for (unsigned way = 0; way < 3; way++) {
		for (unsigned range = 0; range < 4; range++) {
			for (unsigned i = 0; i < count[range]; i++)
				try_bytes(&u, ways[way], 2, from[range] + i);
		}
		CHECK(other_finds_all());
	}
	for (unsigned i = 0; i < 1024; i++)
		CHECK_IS(user_data(&u)[i], PATTERN);
}

/* ---- States ---- */

#define NARROW(text)                                                                                                   \
	"pushq $0x23\npushq $1f-0b+0x400000\nlretq\n.code32\n1: " text                                                 \
	"\nljmp $0x33, $2f-0b+0x400000\n.code64\n2: " CALL
#define TRACED "pushf\norl $0x100, (%rsp)\npopf\n"
#define ALIGNED "pushf\norl $0x40000, (%rsp)\npopf\n"
#define NESTED "pushf\norl $0x4000, (%rsp)\npopf\n"
#define IMAGE                                                                                                          \
	"cld\nmov $0x500040, %edi\nxor %eax, %eax\nmov $110, %ecx\nrep stosq\nmov $-1, %eax\nmov $-1, %edx\nmovl "     \
	"$0x1f80, 0x500058\n"
#define STATE(name, text) CODE(name, "0: " text "\n" CALL)

STATE(narrow_syscall, NARROW("mov $20, %eax\nsyscall"));
STATE(narrow_sysenter, NARROW("mov $20, %eax\nmov %esp, %ebp\nsysenter"));
STATE(narrow_sysenter_far, NARROW("mov $20, %eax\nmov $0xfffffff0, %ebp\nsysenter"));
STATE(narrow_int80, NARROW("mov $1, %eax\nint $0x80"));
STATE(narrow_overflow, NARROW("mov $0x7fffffff, %eax\ninc %eax\ninto"));
STATE(narrow_int4, NARROW("int $4"));
STATE(narrow_bound, NARROW("mov $5, %eax\nbound %eax, 0x500000"));
STATE(narrow_out, NARROW("out %al, $0xca"));
STATE(narrow_loop, NARROW("3: jmp 3b"));
STATE(narrow_back, NARROW("nop"));
STATE(narrow_high, NARROW("mov $0xfffffff0, %esp\npush %eax"));
STATE(narrow_vsyscall, NARROW("mov $0xff600000, %eax\ncall *%eax"));
STATE(traced_syscall, TRACED "syscall");
STATE(traced_sysenter, TRACED "sysenter");
STATE(traced_old, TRACED "int $0x80");
STATE(traced_int3, TRACED "int3");
STATE(traced_out, TRACED "nop");
STATE(traced_string, TRACED "mov $0x500000, %edi\nmov $900, %ecx\nrep stosb");
STATE(traced_stack, TRACED "mov %ss, %eax\nmov %eax, %ss\nsyscall");
STATE(traced_vsyscall, "mov $0xffffffffff600000, %rbx\n" TRACED "call *%rbx");
STATE(stack_int3, "mov %ss, %eax\nmov %eax, %ss\nint3");
STATE(stack_old, "mov %ss, %eax\nmov %eax, %ss\nint $0x80");
STATE(stack_icebp, "mov %ss, %eax\nmov %eax, %ss\n.byte 0xf1");
STATE(aligned_syscall, ALIGNED "mov $0x500001, %esp\nsyscall");
STATE(aligned_sysenter, ALIGNED "sysenter");
STATE(aligned_old, ALIGNED "mov $0x500003, %esp\nint $0x80");
STATE(nested_syscall, NESTED "syscall");
STATE(nested_sysenter, NESTED "sysenter");
STATE(nested_return, NESTED "pushq $0x2b\npushq $0x501000\npushq $2\npushq $0x33\npushq $1f-0b+0x400000\niretq\n1: ");
STATE(all_flags, "pushq $-1\npopf");
STATE(return_flags, "pushq $0x2b\npushq $0x501000\npushq $0x3f7fd7\npushq $0x33\npushq $1f-0b+0x400000\niretq\n1: ");
STATE(return_no_stack, "pushq $0\npushq $0x501000\npushq $2\npushq $0x33\npushq $1f-0b+0x400000\niretq\n1: ");
STATE(return_wild, "mov $0x8000000000000000, %rax\npushq $0x2b\npush %rax\npushq $2\npushq $0x33\npush %rax\niretq");
STATE(image_all, IMAGE "movq $-1, 0x500240\nxrstor 0x500040");
STATE(image_compact, IMAGE "movq $7, 0x500240\nmov $0x8000000000000007, %rbx\nmov %rbx, 0x500248\nxrstor 0x500040");
STATE(image_compact_wrong, IMAGE "movq $7, 0x500240\nmovq $7, 0x500248\nxrstor 0x500040");
STATE(image_reserved, IMAGE "movq $3, 0x500240\nmovq $1, 0x500250\nxrstor 0x500040");
STATE(image_mxcsr, IMAGE "movq $3, 0x500240\nmovl $-1, 0x500058\nxrstor 0x500040");
STATE(image_supervisor, IMAGE "mov $0x1900, %ebx\nmov %rbx, 0x500240\nxrstor 0x500040");
STATE(image_pending, IMAGE "movq $3, 0x500240\nmovw $0x80bf, 0x500042\nxrstor 0x500040");
STATE(image_unaligned, IMAGE "xrstor 0x500048");
STATE(env_pending, "fnstenv 0x500000\nmovw $0x300, 0x500000\nmovw $0x80bf, 0x500004\nfldenv 0x500000");
STATE(mxcsr_pending, "movl $0x3f, 0x500000\nldmxcsr 0x500000");
STATE(tls_segments, "mov $0x63, %eax\nmov %eax, %gs\nmov $0x6b, %eax\nmov %eax, %fs");
STATE(cpu_segment, "mov $0x7b, %eax\nmov %eax, %ds\nmov %eax, %es\nmov %eax, %fs\nmov %eax, %gs");
STATE(table_segment, "mov $0xf, %eax\nmov %eax, %ds");
STATE(table_code, "pushq $0xf\npushq $0x400000\nlretq");
STATE(gate, "movl $0x400000, 0x500000\nmovw $0x40, 0x500004\nlcall *0x500000");
#define WRITE_BASES ".byte 0xf3,0x48,0x0f,0xae,0xd8\n.byte 0xf3,0x48,0x0f,0xae,0xd0"
STATE(both_bases, "mov $0x2b, %eax\nmov %eax, %gs\nmov $0x7fffffffff, %rax\n" WRITE_BASES);
STATE(random, "mov $2000, %ecx\n1: .byte 0x0f,0xc7,0xf0\nloop 1b");

#define STATE_ROW(name)                                                                                                \
	{                                                                                                              \
#name, name, name##_end                                                                                \
	}
static const struct state {
	const char *name, *code, *end;
} all_states[] = {
	STATE_ROW(narrow_syscall),   STATE_ROW(narrow_sysenter), STATE_ROW(narrow_sysenter_far),
	STATE_ROW(narrow_int80),     STATE_ROW(narrow_overflow), STATE_ROW(narrow_int4),
	STATE_ROW(narrow_bound),     STATE_ROW(narrow_out),      STATE_ROW(narrow_loop),
	STATE_ROW(narrow_back),      STATE_ROW(narrow_high),     STATE_ROW(narrow_vsyscall),
	STATE_ROW(traced_syscall),   STATE_ROW(traced_sysenter), STATE_ROW(traced_old),
	STATE_ROW(traced_int3),      STATE_ROW(traced_out),      STATE_ROW(traced_string),
	STATE_ROW(traced_stack),     STATE_ROW(traced_vsyscall), STATE_ROW(stack_int3),
	STATE_ROW(stack_old),        STATE_ROW(stack_icebp),     STATE_ROW(aligned_syscall),
	STATE_ROW(aligned_sysenter), STATE_ROW(aligned_old),     STATE_ROW(nested_syscall),
	STATE_ROW(nested_sysenter),  STATE_ROW(nested_return),   STATE_ROW(all_flags),
	STATE_ROW(return_flags),     STATE_ROW(return_no_stack), STATE_ROW(return_wild),
	STATE_ROW(image_all),        STATE_ROW(image_compact),   STATE_ROW(image_compact_wrong),
	STATE_ROW(image_reserved),   STATE_ROW(image_mxcsr),     STATE_ROW(image_supervisor),
	STATE_ROW(image_pending),    STATE_ROW(image_unaligned), STATE_ROW(env_pending),
	STATE_ROW(mxcsr_pending),    STATE_ROW(tls_segments),    STATE_ROW(cpu_segment),
	STATE_ROW(table_segment),    STATE_ROW(table_code),      STATE_ROW(gate),
	STATE_ROW(both_bases),       STATE_ROW(random),
};

static void states(int argc, char **argv)
{
	unsigned failed = 0;
	(void)argc;
	(void)argv;
	other_begins();
	for (size_t i = 0; i < sizeof all_states / sizeof *all_states; i++) {
		const struct state *s = &all_states[i];
		struct user u;
		user_make(&u, 0, s->code, s->end);
		int64_t r = user_go(&u, cassin_now() + (SECOND / 20));
		bool sane = is_sane(&u, r);
		if (!sane || !other_finds_all()) {
			cassin_print("%s: result %d, vector %llu, rflags 0x%llx\n", s->name, (int)r,
				     (unsigned long long)u.frame.vector, (unsigned long long)u.frame.regs.rflags);
			failed++;
		}
		user_end(&u);
	}
	CHECK_IS(failed, 0);
}

/* ---- Bytes at random ---- */

static uint64_t seed;

static uint32_t next(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33);
}

static uint64_t some_value(void)
{
	static const uint64_t odd_ones[] = {0,
					    1,
					    UINT64_MAX,
					    USER_CODE,
					    USER_DATA,
					    USER_DATA + 4095,
					    USER_STACK_TOP,
					    CASSIN_VA_END,
					    CASSIN_VA_END - 8,
					    UINT64_C(0x7ff000000000),
					    UINT64_C(0xffffffffff600000),
					    HOST_KERNEL,
					    UINT64_C(1) << 63,
					    CASSIN_PORT,
					    0x23,
					    0x2b};
	uint32_t which = next() % 32;
	if (which < 16)
		return odd_ones[which];
	return which < 24 ? next() : (uint64_t)next() << 33 ^ next();
}

/* Beginnings that random bytes seldom make, and then anything. */
static void random_code(const struct user *u)
{
	static const uint8_t prefixes[] = {0x66, 0xf2, 0xf3, 0xf0, 0x48, 0x64, 0x65, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f};
	volatile uint8_t *code = code_of(u);
	for (unsigned i = 0; i < 256;) {
		unsigned n = next() % 3;
		while (n--)
			code[i++] = prefixes[next() % sizeof prefixes];
		for (n = 1 + next() % 3; n--;)
			code[i++] = (uint8_t)next();
	}
}

/* SEED ROUNDS. No trial harms another user, and each ends in a way that the ABI has. */
static void anything(int argc, char **argv)
{
	struct user u;
	uint64_t rounds = argc > 2 ? (uint64_t)cassin_parse(argv[2], strlen(argv[2])) : 2000;
	seed = argument(argc, argv, 1);
	USER_MAKE(&u, 0, look);
	other_begins();
	for (uint64_t i = 0; i < rounds; i++) {
		uint64_t began = seed;
		random_code(&u);
		fill(&u, some_value());
		u.frame.regs = (struct cassin_registers){.rax = some_value(),
							 .rbx = some_value(),
							 .rcx = some_value(),
							 .rdx = some_value(),
							 .rsi = some_value(),
							 .rdi = some_value(),
							 .rbp = some_value(),
							 .r8 = some_value(),
							 .r9 = some_value(),
							 .rsp = next() % 2 ? USER_DATA + 4096 : some_value(),
							 .rip = USER_CODE,
							 .fs_base = USER_DATA};
		int64_t r = 0;
		for (unsigned calls = 0; calls < 8 && r == CASSIN_USER_CALL; calls++) {
			r = user_go(&u, cassin_now() + (MS));
			if (!is_sane(&u, r) && r != -CASSIN_EINVAL) {
				cassin_print("seed %llu: result %d, vector %llu, rflags 0x%llx, rip 0x%llx\n",
					     (unsigned long long)began, (int)r, (unsigned long long)u.frame.vector,
					     (unsigned long long)u.frame.regs.rflags,
					     (unsigned long long)u.frame.regs.rip);
				CHECK(!"sane");
			}
			u.frame.regs.rflags &= OWN_FLAGS;
		}
		if (!other_finds_all()) {
			cassin_print("seed %llu: another user is touched\n", (unsigned long long)began);
			CHECK(!"another user is touched");
		}
	}
}

static const struct property all[] = {
	{"interrupts", interrupts}, {"not-interrupts", not_interrupts}, {"numbers", numbers}, {"states", states},
	{"anything", anything},
};
PROPERTIES(all)
