/* SPDX-License-Identifier: MIT */
/* User mode: what goes there and what comes back. */
#include "user.h"

CASSIN_NEEDS_1_1;

CODE(count, "1: inc %rbx\n" CALL "jmp 1b");

/* ---- Calls ---- */

static void calls(int argc, char **argv)
{
	struct user u;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, count);
	for (uint64_t n = 1; n <= 50; n++) {
		u.frame.regs.rax = n; /* its next call number: none of ours */
		CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_CALL);
		CHECK_IS(u.frame.regs.rax, n);
		CHECK_IS(u.frame.regs.rbx, n);
		CHECK_IS(u.frame.vector | u.frame.error | u.frame.address | u.frame.events, 0);
		CHECK(u.frame.regs.rip > USER_CODE && u.frame.regs.rip < USER_CODE + 8);
	}
	user_end(&u);
}

/* Every number of ours, from its mouth, is its kernel's business: exit, unmap, destruction of a space ... */
static void direct(int argc, char **argv)
{
	struct user u;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, count);
	for (uint64_t call = 0; call < 24; call++) {
		u.frame.regs.rax = call;
		u.frame.regs.rdi = u.space;
		u.frame.regs.rsi = USER_DATA;
		u.frame.regs.rdx = 1;
		CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_CALL);
		CHECK_IS(u.frame.regs.rax, call);
	}
	CHECK_IS(u.frame.regs.rbx, 24);
	user_end(&u);
}

CODE(turn_registers, ".irp r, rax,rbx,rcx,rdx,rsi,rdi,rbp,rsp,r8,r9,r10,r11,r12,r13,r14,r15\nnot %\\r\n.endr\n" CALL);

/* All sixteen go there and come back, flags and fs base too; the kernel's own are as they were. */
static void registers(int argc, char **argv)
{
	static uint64_t tls[1] = {77};
	struct user u;
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_call(CASSIN_CALL_TLS_SET, (uint64_t)tls, 0, 0, 0, 0), 0);
	USER_MAKE(&u, 0, turn_registers);
	for (uint64_t round = 0; round < 20; round++) {
		struct cassin_registers in;
		CHECK_IS(cassin_random(&in, sizeof in), 0);
		in.rip = USER_CODE;
		in.rsp %= CASSIN_VA_END;
		in.fs_base %= CASSIN_VA_END;
		u.frame.regs = in;
		CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_CALL);
		const uint64_t *was = &in.rax, *is = &u.frame.regs.rax;
		for (int i = 0; i < 16; i++)
			CHECK_IS(is[i], ~was[i]);
		CHECK_IS(u.frame.regs.rflags, in.rflags & 0xcd5);
		CHECK_IS(u.frame.regs.fs_base, in.fs_base);
		uint64_t word;
		__asm__ volatile("mov %%fs:0, %0" : "=r"(word));
		CHECK_IS(word, 77);
	}
	user_end(&u);
}

CODE(read_fs, "mov %fs:0, %rax\n" CALL "jmp read_fs");

static void fs_base(int argc, char **argv)
{
	struct user u;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, read_fs);
	for (uint64_t i = 0; i < 20; i++) {
		user_data(&u)[i] = 100 + i;
		u.frame.regs.fs_base = USER_DATA + 8 * i;
		CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_CALL);
		CHECK_IS(u.frame.regs.rax, 100 + i);
	}
	user_end(&u);
}

CODE(null_segments, "xor %eax, %eax\nmov %eax, %ds\nmov %eax, %es\nmov %eax, %fs\nmov %eax, %gs\n" CALL);
CODE(stack_segments, "mov %ss, %eax\nmov %eax, %ds\nmov %eax, %es\nmov %eax, %fs\nmov %eax, %gs\n" CALL);

/* A user that loads other selectors has spoilt its own. Which ones a guest has is the KVM's business: on some all are null. */
static void segments(int argc, char **argv)
{
	static uint64_t tls[1] = {78};
	struct user null, stack;
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_call(CASSIN_CALL_TLS_SET, (uint64_t)tls, 0, 0, 0, 0), 0);
	USER_MAKE(&null, 0, null_segments);
	USER_MAKE(&stack, 1, stack_segments);
	uint64_t before = data_selectors();
	for (int i = 0; i < 5; i++) {
		struct user *u = i % 2 ? &stack : &null;
		u->frame.regs.rip = USER_CODE;
		CHECK_IS(user_go(u, CASSIN_FOREVER), CASSIN_USER_CALL);
		uint64_t word;
		__asm__ volatile("mov %%fs:0, %0" : "=r"(word));
		CHECK_IS(word, 78);
		CHECK_IS(data_selectors(), before);
	}
	user_end(&null);
	user_end(&stack);
}

/* Two exits for a system call: the kernel's into user mode, the user's out of it. */
static void exits(int argc, char **argv)
{
	struct cassin_info before, after;
	struct user u;
	uint64_t least = UINT64_MAX; /* of a few: some have a kick in between */
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, count);
	for (int i = 0; i < 50; i++) {
		cassin_info(&before);
		CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_CALL);
		CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_CALL);
		cassin_info(&after);
		least = after.exits - before.exits < least ? after.exits - before.exits : least;
	}
	CHECK_IS(least, 2 * 2 + 1);
	user_end(&u);
}

/* ---- Refusals ---- */

static void refused(int argc, char **argv)
{
	struct user u;
	static const uint64_t bad_spaces[] = {0, 2, 63, 64, UINT64_C(1) << 32, UINT64_MAX};
	static const uint64_t bad_frames[] = {0, 8, 0x10000, CASSIN_VA_END - 8, CASSIN_VA_END, UINT64_MAX - 100};
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, count);
	CHECK_IS(u.space, 1);
	for (size_t i = 0; i < sizeof bad_spaces / sizeof *bad_spaces; i++)
		CHECK_IS(cassin_user_run(bad_spaces[i], &u.frame, CASSIN_FOREVER, NULL), -CASSIN_EINVAL);
	for (size_t i = 0; i < sizeof bad_frames / sizeof *bad_frames; i++)
		CHECK_IS(cassin_user_run(1, (void *)bad_frames[i], CASSIN_FOREVER, NULL), -CASSIN_EFAULT);
	CHECK_IS(cassin_user_run(1, (void *)(uint64_t)refused, CASSIN_FOREVER, NULL), -CASSIN_EFAULT);
	CHECK_IS(cassin_user_run(1, (void *)cassin_boot->info_page, CASSIN_FOREVER, NULL), -CASSIN_EFAULT);
	*(struct cassin_user_frame *)(uint64_t)spare(50) = u.frame;
	CHECK_IS(cassin_protect(0, (void *)(uint64_t)spare(50), 1, CASSIN_READ), 0);
	CHECK_IS(cassin_user_run(1, (void *)(uint64_t)spare(50), CASSIN_FOREVER, NULL), -CASSIN_EFAULT);
	CHECK_IS(cassin_unmap(0, (void *)(uint64_t)spare(51), 1), 0);
	CHECK_IS(cassin_user_run(1, (void *)(uint64_t)(spare(51) - 100), CASSIN_FOREVER, NULL), -CASSIN_EFAULT);
	const struct cassin_user_frame good = u.frame;
	struct cassin_user_frame bad[10];
	for (int i = 0; i < 10; i++)
		bad[i] = good;
	bad[0].regs.rip = CASSIN_VA_END;
	bad[1].regs.rip = UINT64_C(0x800000000000);
	bad[2].regs.rip = UINT64_MAX;
	bad[3].regs.rsp = CASSIN_VA_END + 1;
	bad[4].regs.rsp = UINT64_C(0x8000000000000000);
	bad[5].regs.fs_base = CASSIN_VA_END;
	bad[6].wake = CASSIN_EVENT_ALL + 1;
	bad[7].wake = UINT64_C(1) << 63;
	bad[8].rsv[0] = 1;
	bad[9].rsv[1] = UINT64_C(1) << 63;
	for (int i = 0; i < 10; i++) {
		struct cassin_user_frame was = bad[i];
		CHECK_IS(cassin_user_run(1, &bad[i], CASSIN_FOREVER, NULL), -CASSIN_EINVAL);
		CHECK_IS(memcmp(&was, &bad[i], sizeof was), 0);
	}
	u.frame = good;
	CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_CALL);
	user_end(&u);
}

CODE(flags, "pushf\npop %rbx\n" CALL "jmp flags");

/* Flags that are not the user's do nothing: I/O privilege, interrupts, single step, alignment, virtual 8086. */
static void privileged_flags(int argc, char **argv)
{
	struct user u;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, flags);
	for (unsigned bit = 0; bit < 64; bit++) {
		u.frame.regs.rflags = UINT64_C(1) << bit;
		CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_CALL);
		CHECK_IS(u.frame.regs.rbx & 0xcd5, (UINT64_C(1) << bit) & 0xcd5);
		CHECK_IS(u.frame.regs.rbx & 0x3d0100, 0); /* TF NT RF VM AC VIF VIP ID are as usual: off */
	}
	u.frame.regs.rflags = UINT64_MAX;
	CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_CALL);
	CHECK_IS(u.frame.regs.rflags & ~UINT64_C(0xcd5), 0);
	user_end(&u);
}

/* A frame may lie across two pages, and be a page of the image that is not the guest's own yet. */
static void frame_places(int argc, char **argv)
{
	static struct cassin_user_frame in_data = {.regs = {.rip = USER_CODE}};
	struct user u;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, count);
	CHECK_IS(cassin_user_run(u.space, &in_data, CASSIN_FOREVER, NULL), CASSIN_USER_CALL);
	CHECK_IS(in_data.regs.rbx, 1);
	struct cassin_user_frame *across = (void *)(uint64_t)(spare(51) - 99);
	memcpy(across, &in_data, sizeof in_data);
	CHECK_IS(cassin_user_run(u.space, across, CASSIN_FOREVER, NULL), CASSIN_USER_CALL);
	memcpy(&in_data, across, sizeof in_data);
	CHECK_IS(in_data.regs.rbx, 2);
	user_end(&u);
}

static const struct property all[] = {
	{"calls", calls},
	{"direct", direct},
	{"registers", registers},
	{"fs-base", fs_base},
	{"segments", segments},
	{"exits", exits},
	{"refused", refused},
	{"privileged-flags", privileged_flags},
	{"frame-places", frame_places},
};
PROPERTIES(all)
