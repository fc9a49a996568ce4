/* SPDX-License-Identifier: MIT */
/* Spaces: apart from each other, changed while they are alive, made and destroyed. */
#include "user.h"

CASSIN_NEEDS_1_1;

CODE(count, "1: inc %rbx\n" CALL "jmp 1b");
CODE(spin, "1: incq 0x500000\njmp 1b");

static void isolated(int argc, char **argv)
{
	struct user a, b;
	(void)argc;
	(void)argv;
	USER_MAKE(&a, 0, spin);
	USER_MAKE(&b, 1, spin);
	user_data(&b)[0] = UINT64_C(1) << 40;
	for (int i = 0; i < 6 || !user_data(&a)[0] || user_data(&b)[0] == UINT64_C(1) << 40; i++) {
		CHECK_IS(user_go(&a, cassin_now() + 2 * MS), CASSIN_USER_DEADLINE);
		CHECK_IS(user_go(&b, cassin_now() + 2 * MS), CASSIN_USER_DEADLINE);
	}
	CHECK(user_data(&a)[0] < UINT64_C(1) << 40);
	CHECK(user_data(&b)[0] > UINT64_C(1) << 40);
	user_end(&a);
	user_end(&b);
}

CODE(read_write, "1: mov 0x600000, %rax\n2: mov %rbx, 0x600000\n" CALL "jmp 1b");

static void run_until_call(struct user *u)
{
	int64_t r;
	while ((r = user_go(u, cassin_now() + 2 * MS)) == CASSIN_USER_DEADLINE) {
	}
	CHECK_IS(r, CASSIN_USER_CALL);
}

static void expect_fault(struct user *u, uint64_t error)
{
	int64_t r;
	while ((r = user_go(u, cassin_now() + 2 * MS)) == CASSIN_USER_DEADLINE) {
	}
	CHECK_IS(r, CASSIN_USER_FAULT);
	CHECK_IS(u->frame.vector, 14);
	CHECK_IS(u->frame.error, error);
	CHECK_IS(u->frame.address, 0x600000);
}

/* Live pages of a space are taken, changed and exchanged between runs; the user reads and writes through what was there. */
static void live(int argc, char **argv)
{
	struct user u;
	uint64_t rounds = argument(argc, argv, 40);
	void *at = (void *)0x600000;
	USER_MAKE(&u, 0, read_write);
	for (uint64_t n = 0; n < rounds; n++) {
		unsigned i = 20 + (unsigned)(n % 8);
		*(volatile uint64_t *)spare(i) = 1000 + n;
		CHECK_IS(cassin_map(u.space, at, spare_page(i), 1, RW), 0);
		u.frame.regs.rip = USER_CODE;
		u.frame.regs.rbx = 5000 + n;
		run_until_call(&u);
		CHECK_IS(u.frame.regs.rax, 1000 + n);
		CHECK_IS(*(volatile uint64_t *)spare(i), 5000 + n);
		for (volatile unsigned wait = 0; wait < 20000; wait++) {
		}
		CHECK_IS(cassin_protect(u.space, at, 1, CASSIN_READ), 0);
		u.frame.regs.rbx = 1;
		expect_fault(&u, CASSIN_WRITE);
		CHECK_IS(u.frame.regs.rax, 5000 + n);
		CHECK_IS(*(volatile uint64_t *)spare(i), 5000 + n);
		CHECK_IS(cassin_unmap(u.space, at, 1), 0);
		u.frame.regs.rip = USER_CODE;
		expect_fault(&u, CASSIN_READ);
		if (n % 16 == 7)
			cassin_call0(CASSIN_CALL_YIELD);
	}
	user_end(&u);
}

/* The kernel changes its own mappings while users run in between; it must see them too. */
static void kernel_live(int argc, char **argv)
{
	struct user u;
	uint64_t rounds = argument(argc, argv, 40);
	volatile uint64_t *window = (volatile void *)ELSEWHERE;
	USER_MAKE(&u, 0, count);
	for (uint64_t n = 0; n < rounds; n++) {
		unsigned i = 20 + (unsigned)(n % 8);
		*(volatile uint64_t *)spare(i) = n;
		CHECK_IS(cassin_map(0, (void *)(uint64_t)ELSEWHERE, spare_page(i), 1, RW), 0);
		CHECK_IS(*window, n);
		run_until_call(&u);
		CHECK_IS(*window, n);
		CHECK_IS(cassin_unmap(0, (void *)(uint64_t)ELSEWHERE, 1), 0);
		run_until_call(&u);
	}
	user_end(&u);
}

/* Spaces come and go, with one number and other pages. */
static void recycled(int argc, char **argv)
{
	struct user u;
	uint64_t rounds = argument(argc, argv, 100);
	for (uint64_t n = 0; n < rounds; n++) {
		USER_MAKE(&u, (unsigned)(n % 5), read_write);
		CHECK_IS(u.space, 1);
		CHECK_IS(cassin_map(u.space, (void *)0x600000, spare_page(100 + (unsigned)(n % 7)), 1, RW), 0);
		*(volatile uint64_t *)spare(100 + (unsigned)(n % 7)) = n;
		u.frame.regs.rbx = n;
		run_until_call(&u);
		CHECK_IS(u.frame.regs.rax, n);
		user_end(&u);
		CHECK_IS(user_go(&u, CASSIN_FOREVER), -CASSIN_EINVAL); /* it is gone */
	}
}

/* What `map` refuses for a space of users; nothing of it is there afterwards. */
static void refused(int argc, char **argv)
{
	struct user u;
	void *at = (void *)0x600000;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, read_write);
	CHECK_IS(cassin_map(u.space, (void *)USER_DATA, spare_page(20), 1, RW), -CASSIN_EEXIST);
	CHECK_IS(cassin_map(u.space, (void *)(USER_DATA - CASSIN_PAGE_SIZE), spare_page(20), 2, RW), -CASSIN_EEXIST);
	CHECK_IS(cassin_map(u.space, at, cassin_boot->pages, 1, RW), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(u.space, at, cassin_boot->pages - 1, 2, RW), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(u.space, at, UINT64_MAX, 2, RW), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(u.space, at, spare_page(20), 1, RW | CASSIN_EXEC), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(u.space, at, spare_page(20), 1, CASSIN_WRITE), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(u.space, (void *)CASSIN_VA_END, spare_page(20), 1, RW), -CASSIN_EINVAL);
	CHECK_IS(cassin_map(u.space, (void *)(CASSIN_VA_END - CASSIN_PAGE_SIZE), spare_page(20), 2, RW),
		 -CASSIN_EINVAL);
	CHECK_IS(cassin_map(u.space, (void *)0, spare_page(20), 1, RW), -CASSIN_EINVAL);
	CHECK_IS(cassin_protect(u.space, (void *)USER_DATA, 1, RW | CASSIN_EXEC), -CASSIN_EINVAL);
	expect_fault(&u, CASSIN_READ);
	user_end(&u);
}

CODE(eat, "1: movq $7, (%rdi)\nadd $4096, %rdi\ncmp %rsi, %rdi\njne 1b\n" CALL);

/* The host's pool ends under a user: its kernel gets a report, and lives. */
static void no_memory(int argc, char **argv)
{
	struct user u;
	uint64_t left = cassin_boot->pages - spare_page(100), n;
	int64_t r;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, eat);
	for (uint64_t i = 0; i < left; i += n) {
		n = left - i < 4096 ? left - i : 4096;
		void *at = (void *)(0x1000000 + i * CASSIN_PAGE_SIZE);
		CHECK_IS(cassin_map(u.space, at, spare_page(100 + (unsigned)i), n, RW), 0);
	}
	u.frame.regs.rdi = 0x1000000;
	u.frame.regs.rsi = 0x1000000 + left * CASSIN_PAGE_SIZE;
	while ((r = user_go(&u, cassin_now() + 2 * MS)) == CASSIN_USER_DEADLINE) {
	}
	CHECK_IS(r, -CASSIN_ENOMEM);
	CHECK(u.frame.regs.rdi > 0x1000000 && u.frame.regs.rdi < u.frame.regs.rsi);
	CHECK_IS(user_go(&u, CASSIN_FOREVER), -CASSIN_ENOMEM); /* again, for as long as it is so */
	user_end(&u);
}

/* The runner tries to park it meanwhile. */
static void hold(int argc, char **argv)
{
	struct user u;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, count);
	cassin_print("waiting\n");
	cassin_ready();
	cassin_sleep_until(cassin_now() + 300 * MS);
	run_until_call(&u);
	user_end(&u);
}

CODE(odd_flags, "pushf\npop %rbx\npushf\norq $0x204000, (%rsp)\npopf\n" CALL);

/* ID and NT, which are nobody's: they are clear whenever a frame is run, in whatever space, whoever has set them. */
static void flags(int argc, char **argv)
{
	struct user u[2];
	(void)argc;
	(void)argv;
	USER_MAKE(&u[0], 0, odd_flags);
	USER_MAKE(&u[1], 1, odd_flags);
	for (unsigned n = 0; n < 60; n++) {
		struct user *next = &u[n / 3 % 2];
		next->frame.regs.rip = USER_CODE;
		run_until_call(next);
		CHECK_IS(next->frame.regs.rbx & 0x204000, 0);
	}
	user_end(&u[0]);
	user_end(&u[1]);
}

CODE(walk, "1: mov (%rbx), %rax\nadd $0x1000, %rbx\ncmp %rcx, %rbx\njb 1b\n" CALL "jmp 1b");

/* Spaces of that many mappings each: one page at all places, with other rights than at the next. All of them are looked at. */
static void many_mappings(int argc, char **argv)
{
	struct user u;
	uint64_t pages = argument(argc, argv, 1000), spaces = argument(argc - 1, argv + 1, 1);
	for (unsigned s = 0; s < spaces; s++) {
		USER_MAKE(&u, s, walk);
		for (uint64_t i = 0; i < pages; i++)
			CHECK_IS(cassin_map(u.space, (void *)(uint64_t)(ELSEWHERE + i * CASSIN_PAGE_SIZE),
					    spare_page(0), 1, i % 2 ? RW : CASSIN_READ),
				 0);
		u.frame.regs.rbx = (uint64_t)ELSEWHERE;
		u.frame.regs.rcx = (uint64_t)ELSEWHERE + pages * CASSIN_PAGE_SIZE;
		run_until_call(&u);
	}
	cassin_print("mapped\n");
	cassin_sleep_until(cassin_now() + 600 * SECOND);
}

static const struct property all[] = {
	{"flags", flags},     {"many-mappings", many_mappings}, {"isolated", isolated},
	{"live", live},       {"kernel-live", kernel_live},     {"recycled", recycled},
	{"refused", refused}, {"no-memory", no_memory},         {"hold", hold},
};
PROPERTIES(all)
