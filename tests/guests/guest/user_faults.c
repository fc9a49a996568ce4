/* SPDX-License-Identifier: MIT */
/* Faults of user code: its kernel gets a report, and goes on. */
#include "user.h"

CASSIN_NEEDS_1_1;

CODE(count, "1: inc %rbx\n" CALL "jmp 1b");
CODE(undefined, "ud2");
CODE(read_fs, "mov %fs:0, %rax\n" CALL "jmp read_fs");

struct fault {
	const char *code, *end;
	uint64_t vector, error, address;
};

CODE(read_null, "mov 0, %eax");
CODE(read_nothing, "mov 0x600000, %eax");
CODE(write_nothing, "mov %eax, 0x600000");
CODE(jump_nothing, "mov $0x600000, %eax\njmp *%rax");
CODE(write_code, "mov %eax, 0x400000");
CODE(jump_data, "mov $0x500000, %eax\njmp *%rax");
CODE(read_constant, "mov 0x510000, %rax\nmov %rax, 0x510008");
CODE(read_monitor, "mov $0x8000000000, %rax\nmov (%rax), %eax");
CODE(write_monitor, "mov $0x8000001000, %rax\nmov %eax, (%rax)");
CODE(jump_monitor, "mov $0x8000000000, %rax\njmp *%rax");
CODE(read_high, "mov $0xffff800000000000, %rax\nmov (%rax), %eax");
CODE(divide, "xor %ecx, %ecx\ndiv %ecx");
CODE(halt, "hlt");
CODE(load_cr3, "mov %rax, %cr3");
CODE(write_msr, "wrmsr");
CODE(non_canonical, "mov $0x4000000000000000, %rax\nmov (%rax), %eax");
CODE(other_port, "out %al, $0x80");
CODE(monitor_port, "out %al, $0xcb");
CODE(door_by_dx, "mov $0xca, %edx\nout %al, %dx");
CODE(door_wide, "out %eax, $0xca");
CODE(door_in, "in $0xca, %al");
CODE(door_string, "mov $0xca, %edx\nmov $0x500000, %esi\nmov $64, %ecx\nrep outsb");
CODE(door_string_in, "mov $0xca, %edx\nmov $0x500000, %edi\ninsb");
/* Again and again: the flag is the hypervisor's, so that an interruption takes it away. */
CODE(single_step, "1: pushf\norl $0x100, (%rsp)\npopf\nnop\njmp 1b");
CODE(system_call, "syscall");
CODE(interrupt, "int $0x80");
CODE(stack_gone, "mov $0x600000, %esp\npush %rax");
CODE(wild_stack_call, "mov $0x8000001000, %rsp\n" CALL);

#define ANY UINT64_MAX
#define FAULT(name, ...)                                                                                               \
	{                                                                                                              \
		name, name##_end, __VA_ARGS__                                                                          \
	}
static const struct fault all_faults[] = {
	FAULT(read_null, 14, CASSIN_READ, 0),
	FAULT(read_nothing, 14, CASSIN_READ, 0x600000),
	FAULT(write_nothing, 14, CASSIN_WRITE, 0x600000),
	FAULT(jump_nothing, 14, CASSIN_EXEC, 0x600000),
	FAULT(write_code, 14, CASSIN_WRITE, 0x400000),
	FAULT(jump_data, 14, CASSIN_EXEC, 0x500000),
	FAULT(read_constant, 14, CASSIN_WRITE, 0x510008),
	FAULT(read_monitor, 14, CASSIN_READ, 0x8000000000),
	FAULT(write_monitor, 14, CASSIN_WRITE, 0x8000001000),
	FAULT(jump_monitor, 14, CASSIN_EXEC, 0x8000000000),
	FAULT(read_high, 14, CASSIN_READ, 0xffff800000000000),
	FAULT(divide, 0, 0, 0),
	FAULT(undefined, 6, 0, 0),
	FAULT(halt, 13, 0, 0),
	FAULT(load_cr3, 13, 0, 0),
	FAULT(write_msr, 13, 0, 0),
	FAULT(non_canonical, 13, 0, 0),
	FAULT(other_port, 13, 0, 0),
	FAULT(monitor_port, 13, 0, 0),
	FAULT(door_by_dx, 13, 0, 0),
	FAULT(door_wide, 13, 0, 0),
	FAULT(door_in, 13, 0, 0),
	FAULT(door_string, 13, 0, 0),
	FAULT(door_string_in, 13, 0, 0),
	FAULT(single_step, 1, 0, 0),
	FAULT(system_call, ANY, ANY, 0),
	FAULT(interrupt, ANY, ANY, 0),
	FAULT(stack_gone, 14, CASSIN_WRITE, 0x5ffff8),
};

/* Each fault ends a run and nothing else; another user runs on as if nothing had been, its vector state included. */
static void faults(int argc, char **argv)
{
	struct user u, other;
	(void)argc;
	(void)argv;
	USER_MAKE(&other, 1, count);
	other.vectors.bytes[160] = 5; /* xmm0 */
	other.vectors.bytes[512] = 2;
	for (size_t i = 0; i < sizeof all_faults / sizeof *all_faults; i++) {
		const struct fault *f = &all_faults[i];
		user_make(&u, 0, f->code, f->end);
		CHECK_IS(cassin_map(u.space, (void *)0x510000, spare_page(7), 1, CASSIN_READ), 0);
		u.frame.regs.rax = 0x1234;
		int64_t r = user_go(&u, CASSIN_FOREVER);
		bool good = r == CASSIN_USER_FAULT && (f->vector == ANY || u.frame.vector == f->vector) &&
			    (f->error == ANY || u.frame.error == f->error) && u.frame.address == f->address;
		if (!good)
			cassin_print("fault %zu: result %d, vector %llu, error %llu, address 0x%llx\n", i, (int)r,
				     (unsigned long long)u.frame.vector, (unsigned long long)u.frame.error,
				     (unsigned long long)u.frame.address);
		CHECK(good);
		user_end(&u);
		CHECK_IS(user_go(&other, CASSIN_FOREVER), CASSIN_USER_CALL);
		CHECK_IS(other.frame.regs.rbx, i + 1);
		CHECK_IS(other.vectors.bytes[160], 5);
	}
	user_make(&u, 0, wild_stack_call, wild_stack_call_end);
	CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_CALL);
	CHECK_IS(u.frame.regs.rsp, 0x8000001000);
	CHECK_IS(user_go(&u, CASSIN_FOREVER), -CASSIN_EINVAL); /* its kernel cannot go on with that */
	user_end(&u);
}

CODE(deny_keys, "mov $-1, %eax\nxor %ecx, %ecx\nxor %edx, %edx\nwrpkru\nmov %rax, 0x500000\n" CALL);

/* Where user code can write protection keys it denies nobody anything, not even itself; elsewhere it cannot. */
static void keys(int argc, char **argv)
{
	struct user u, other;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, deny_keys);
	USER_MAKE(&other, 1, count);
	for (int i = 0; i < 3; i++) {
		u.frame.regs.rip = USER_CODE;
		int64_t r = user_go(&u, CASSIN_FOREVER);
		CHECK(r == CASSIN_USER_CALL || (r == CASSIN_USER_FAULT && u.frame.vector == 6));
		CHECK_IS(user_go(&other, CASSIN_FOREVER), CASSIN_USER_CALL);
	}
	user_end(&u);
	user_end(&other);
}

/* rip stays at the instruction that faults, so that it can be tried again. */
static void fault_again(int argc, char **argv)
{
	struct user u;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, read_nothing);
	for (int i = 0; i < 3; i++) {
		CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_FAULT);
		CHECK_IS(u.frame.regs.rip, USER_CODE);
	}
	CHECK_IS(cassin_map(u.space, (void *)0x600000, spare_page(7), 1, CASSIN_READ), 0);
	*(volatile uint32_t *)spare(7) = 4242;
	CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_FAULT); /* runs off its end: zeros, add %al, (%rax) */
	CHECK_IS(u.frame.regs.rax, 4242);
	CHECK_IS(u.frame.address, 4242);
	user_end(&u);
}

/* A space without a page. */
static void empty(int argc, char **argv)
{
	int64_t space = cassin_space_create();
	struct cassin_user_frame f = {.regs = {.rip = USER_CODE}};
	(void)argc;
	(void)argv;
	CHECK(space > 0);
	for (int i = 0; i < 3; i++) {
		CHECK_IS(cassin_user_run((uint64_t)space, &f, CASSIN_FOREVER, NULL), CASSIN_USER_FAULT);
		CHECK_IS(f.vector, 14);
		CHECK_IS(f.error, CASSIN_EXEC);
		CHECK_IS(f.address, USER_CODE);
		CHECK_IS(f.regs.rip, USER_CODE);
	}
	CHECK_IS(cassin_space_destroy((uint64_t)space), 0);
}

CODE(touch_all, "1: cmpq $0, (%rdi)\njne 2f\nmovq $7, (%rdi)\nadd $4096, %rdi\ncmp %rsi, %rdi\njne 1b\n2: " CALL);

/* Pages that were never touched: the hypervisor's business, silently. */
static void demand_zero(int argc, char **argv)
{
	struct user u;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, touch_all);
	CHECK_IS(cassin_map(u.space, (void *)0x700000, spare_page(100), 64, RW), 0);
	u.frame.regs.rdi = 0x700000;
	u.frame.regs.rsi = 0x740000;
	CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_CALL);
	CHECK_IS(u.frame.regs.rdi, 0x740000);
	for (unsigned i = 0; i < 64; i++)
		CHECK_IS(*spare(100 + i), 7);
	user_end(&u);
}

/* A page of the image that nobody has touched yet: the user gets its content, and what it writes is everybody's. */
static void image_page(int argc, char **argv)
{
	static volatile uint64_t datum[1024] = {[700] = 0x600d};
	struct user u;
	(void)argc;
	(void)argv;
	extern const char __ehdr_start[];
	uint64_t at = (uint64_t)&datum[700], page = (at - (uint64_t)__ehdr_start) / CASSIN_PAGE_SIZE;
	USER_MAKE(&u, 0, read_fs);
	CHECK_IS(cassin_map(u.space, (void *)0x600000, page, 1, RW), 0);
	u.frame.regs.fs_base = 0x600000 + at % CASSIN_PAGE_SIZE;
	CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_CALL);
	CHECK_IS(u.frame.regs.rax, 0x600d);
	CHECK_IS(datum[700], 0x600d);
	datum[700] = 0xbad;
	u.frame.regs.rip = USER_CODE;
	CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_CALL);
	CHECK_IS(u.frame.regs.rax, 0xbad);
	user_end(&u);
}

static const struct property all[] = {
	{"faults", faults},           {"keys", keys},
	{"fault-again", fault_again}, {"empty", empty},
	{"demand-zero", demand_zero}, {"image-page", image_page},
};
PROPERTIES(all)
