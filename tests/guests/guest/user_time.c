/* SPDX-License-Identifier: MIT */
/* User code is interrupted, and does not notice; users in turn keep what is theirs. */
#include "user.h"

CASSIN_NEEDS_1_1;

CODE(spin, "1: incq 0x500000\njmp 1b");
CODE(spin_registers, "1: inc %rax\njmp 1b");

static void deadline(int argc, char **argv)
{
	struct user u;
	uint64_t rounds = argument(argc, argv, 20), last = 0, turn = 3 * MS;
	USER_MAKE(&u, 0, spin);
	for (uint64_t i = 0; i < rounds; i++) {
		uint64_t when = cassin_now() + turn;
		CHECK_IS(user_go(&u, when), CASSIN_USER_DEADLINE);
		CHECK(cassin_now() + MS / 10 >= when); /* the page may be a little behind */
		CHECK(user_data(&u)[0] >= last);
		last = user_data(&u)[0];
		if (!last) /* on this host a turn is over before it has begun */
			turn += turn / 2;
	}
	CHECK(last > 0);
	CHECK_IS(user_go(&u, CASSIN_NOW), CASSIN_USER_DEADLINE);
	CHECK_IS(user_go(&u, 1), CASSIN_USER_DEADLINE);
	CHECK_IS(user_data(&u)[0], last); /* not one instruction of it */
	user_end(&u);
}

/* A few users in turn, each interrupted anywhere and resumed: registers and vectors are their own. */
CODE(spin_vectors, "1: movq %xmm0, %rbx\nmovq %xmm15, %rcx\ncmp %rbx, %rcx\njne 2f\ninc %rax\njmp 1b\n2: " CALL);

static void set_xmm(struct cassin_vectors *v, unsigned i, uint64_t value)
{
	memcpy(v->bytes + 160 + 16 * i, &value, sizeof value);
	v->bytes[512] |= 2; /* of XSTATE_BV: SSE is in use */
}

static void turns(int argc, char **argv)
{
	enum { USERS = 4 };
	static struct user users[USERS];
	uint64_t rounds = argument(argc, argv, 10), turn = 3 * MS;
	for (unsigned i = 0; i < USERS; i++) {
		USER_MAKE(&users[i], i, spin_vectors);
		set_xmm(&users[i].vectors, 0, 1000 + i);
		set_xmm(&users[i].vectors, 15, 1000 + i);
		users[i].frame.regs.r15 = 1000 + i;
	}
	for (uint64_t n = 0; n < rounds; n++) {
		for (unsigned i = 0; i < USERS; i++) {
			double a = (double)n, b;
			__asm__ volatile("" : "+x"(a));
			CHECK_IS(user_go(&users[i], cassin_now() + turn), CASSIN_USER_DEADLINE);
			if (!users[i].frame.regs.rax) /* see above */
				turn += turn / 2;
			CHECK_IS(users[i].frame.regs.r15, 1000 + i);
			CHECK(!users[i].frame.regs.rax || users[i].frame.regs.rbx == 1000 + i);
			b = (double)n;
			CHECK(a == b); /* the compiler's own registers came to no harm */
			if (n % 4 == 3)
				cassin_sleep_until(cassin_now() + MS);
		}
	}
	for (unsigned i = 0; i < USERS; i++) {
		CHECK(users[i].frame.regs.rax > 0);
		user_end(&users[i]);
	}
}

/* What a user leaves in its control words does not trap its kernel. */
CODE(unmask_all, "pushq $0\nldmxcsr (%rsp)\nfldcw (%rsp)\n" CALL);

static void control_words(int argc, char **argv)
{
	struct user u;
	volatile double one = 1, zero = 0;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, unmask_all);
	CHECK_IS(user_go(&u, CASSIN_FOREVER), CASSIN_USER_CALL);
	CHECK(one / zero > 1e300);
	user_end(&u);
}

/* ---- Events ---- */

static void wakes(int argc, char **argv)
{
	struct cassin_cqe cqe;
	struct user u;
	(void)argc;
	(void)argv;
	USER_MAKE(&u, 0, spin_registers);
	u.frame.wake = CASSIN_EVENT_COMPLETION;
	for (uint64_t i = 0; i < 5; i++) {
		start_op(i, CASSIN_OP_TIMEOUT, 0, NULL, 0, cassin_now() + 5 * MS);
		CHECK_IS(cassin_wait(0, CASSIN_NOW), 0);
		CHECK_IS(user_go(&u, cassin_now() + 100 * SECOND), CASSIN_USER_EVENT);
		CHECK_IS(u.frame.events, CASSIN_EVENT_COMPLETION);
		CHECK(cassin_next(&cqe));
		CHECK_IS(cqe.user_data, i);
	}
	u.frame.wake = CASSIN_EVENT_TIMER;
	CHECK_IS(cassin_upcall_set(NULL, NULL, 0, cassin_now() + 5 * MS), 0);
	CHECK_IS(user_go(&u, cassin_now() + 100 * SECOND), CASSIN_USER_EVENT);
	CHECK_IS(u.frame.events, CASSIN_EVENT_TIMER);
	CHECK_IS(user_go(&u, cassin_now() + 5 * MS), CASSIN_USER_DEADLINE);
	CHECK_IS(u.frame.events, 0);
	user_end(&u);
}

static const struct property all[] = {
	{"deadline", deadline},
	{"turns", turns},
	{"control-words", control_words},
	{"wakes", wakes},
};
PROPERTIES(all)
