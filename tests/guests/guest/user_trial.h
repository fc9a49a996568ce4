/* SPDX-License-Identifier: MIT */
/* Trials of user code that may do anything, and a second user, who finds all as it left it. */
#ifndef USER_TRIAL_H
#define USER_TRIAL_H

#include "user.h"

#define PATTERN UINT64_C(0x5a5a5a5a5a5a5a5a)
#define HOST_KERNEL UINT64_C(0xffffffff81000000)
#define OWN_FLAGS UINT64_C(0xcd5) /* the guest's: CF, PF, AF, ZF, SF, DF, OF */

/* ---- Somebody else ---- */

#define LOOK_AT_SEGMENTS "mov %ds, %r8d\nmov %es, %r9d\nmov %fs, %r10d\nmov %gs, %r11d\nmov %fs:0, %r12\n"
#define LOOK_AT_CONTROL                                                                                                \
	"stmxcsr 0x500010\nfnstcw 0x500018\nfnstsw %ax\nmovzwl %ax, %r13d\npushf\npop %r14\nmovq %xmm7, %r15\n"
CODE(look, LOOK_AT_SEGMENTS LOOK_AT_CONTROL CALL);

static struct user other; /* user number 1 */
static struct cassin_registers other_before;

static inline void other_looks(struct cassin_registers *seen)
{
	other.frame.regs = (struct cassin_registers){.rip = USER_CODE, .rsp = USER_STACK_TOP, .fs_base = USER_DATA};
	cassin_vectors_init(&other.vectors);
	CHECK_IS(user_go(&other, CASSIN_FOREVER), CASSIN_USER_CALL);
	*seen = other.frame.regs;
	seen->rax = 0;
}

static inline void other_begins(void)
{
	USER_MAKE(&other, 1, look);
	user_data(&other)[0] = 77;
	other_looks(&other_before);
	CHECK_IS(other_before.r12, 77);
}

static inline bool other_finds_all(void)
{
	struct cassin_registers now;
	other_looks(&now);
	return !memcmp(&now, &other_before, sizeof now) && (uint32_t)user_data(&other)[2] == 0x1f80 &&
	       (uint16_t)user_data(&other)[3] == 0x37f;
}

/* ---- One trial ---- */

static inline volatile uint8_t *code_of(const struct user *u)
{
	return spare(u->page);
}

/* The bytes, and the hypercall instruction behind them. */
static inline void put_code(const struct user *u, const char *bytes, size_t n)
{
	volatile uint8_t *code = code_of(u);
	for (size_t i = 0; i < n; i++)
		code[i] = (uint8_t)bytes[i];
	code[n] = 0xe6;
	code[n + 1] = CASSIN_PORT;
}

static inline void fill(const struct user *u, uint64_t with)
{
	for (unsigned i = 0; i < 2 * CASSIN_PAGE_SIZE / 8; i++)
		user_data(u)[i] = with;
}

static inline bool is_sane(const struct user *u, int64_t r)
{
	const struct cassin_user_frame *f = &u->frame;
	if (r != CASSIN_USER_CALL && r != CASSIN_USER_FAULT && r != CASSIN_USER_DEADLINE)
		return false;
	return !(f->regs.rflags & ~OWN_FLAGS) && (r != CASSIN_USER_FAULT || f->vector < 32);
}

#endif
