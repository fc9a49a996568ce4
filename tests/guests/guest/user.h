/* SPDX-License-Identifier: MIT */
/* User programs for the tests of user mode: a few instructions each, copied to a page of their own. */
#ifndef USER_TEST_H
#define USER_TEST_H

#include "check.h"

#define USER_CODE UINT64_C(0x400000) /* where the guest's own image is, in its own space */
#define USER_DATA UINT64_C(0x500000)
#define USER_STACK_TOP (USER_DATA + 2 * CASSIN_PAGE_SIZE)
#define USER_PAGES 8u /* of spare pages for each user */
#define RW (CASSIN_READ | CASSIN_WRITE)
#define RX (CASSIN_READ | CASSIN_EXEC)
#define SECOND (1000 * MS)

/* Defines `name` and `name_end`, bytes that are never run where they are. */
#define CODE(name, text)                                                                                               \
	extern const char name[], name##_end[];                                                                        \
	__asm__(".pushsection .rodata\n" #name ":\n" text "\n" #name "_end:\n.popsection")
#define CALL "out %al, $0xca\n"

struct user {
	uint64_t space;
	unsigned page; /* its first spare page: code, then two of data */
	struct cassin_user_frame frame;
	struct cassin_vectors vectors;
};

/* A program in a new space, on the spare pages of user number `i`; its data is there as USER_DATA, and as user_data(). */
static inline void user_make(struct user *u, unsigned i, const char *code, const char *end)
{
	int64_t space = cassin_space_create();
	CHECK(space > 0);
	*u = (struct user){.space = (uint64_t)space, .page = i * USER_PAGES};
	u->frame.regs.rip = USER_CODE;
	u->frame.regs.rsp = USER_STACK_TOP;
	cassin_vectors_init(&u->vectors);
	memcpy((void *)(uint64_t)spare(u->page), code, (size_t)(end - code));
	CHECK_IS(cassin_map(u->space, (void *)USER_CODE, spare_page(u->page), 1, RX), 0);
	CHECK_IS(cassin_map(u->space, (void *)USER_DATA, spare_page(u->page + 1), 2, RW), 0);
}
#define USER_MAKE(u, i, code) user_make(u, i, code, code##_end)

static inline volatile uint64_t *user_data(const struct user *u)
{
	return (volatile uint64_t *)spare(u->page + 1);
}

static inline int64_t user_go(struct user *u, uint64_t deadline)
{
	return cassin_user_run(u->space, &u->frame, deadline, &u->vectors);
}

static inline void user_end(struct user *u)
{
	CHECK_IS(cassin_space_destroy(u->space), 0);
}

static inline uint64_t argument(int argc, char **argv, uint64_t usual)
{
	return argc > 1 ? (uint64_t)cassin_parse(argv[1], strlen(argv[1])) : usual;
}

#endif
