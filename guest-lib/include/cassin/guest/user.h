/* SPDX-License-Identifier: MIT */
/*
 * User mode: code in a space of its own, run like a function. docs/abi.md tells the codes.
 *
 *     int64_t space = cassin_space_create();
 *     cassin_map(space, (void *)0x400000, page, 1, CASSIN_READ | CASSIN_EXEC);
 *     struct cassin_user_frame frame = {.regs = {.rip = 0x400000}};
 *     cassin_vectors_init(&vectors);
 *     switch (cassin_user_run(space, &frame, cassin_now() + 5000000, &vectors)) {
 *     case CASSIN_USER_CALL: ...
 */
#ifndef CASSIN_GUEST_USER_H
#define CASSIN_GUEST_USER_H

#include <cassin/guest/call.h>

/* Says that a guest needs ABI 1.1: once in a program, outside of functions. */
#define CASSIN_NEEDS_1_1                                                                                               \
	__asm__(".pushsection .note.cassin.needs, \"a\", @note\n.balign 4\n.long 7, 8, 1\n.asciz \"Cassin\"\n"         \
		".balign 4\n.long 1, 1\n.popsection")

/* The x87, SSE and AVX registers of a user. */
struct cassin_vectors {
	uint8_t bytes[832];
} __attribute__((aligned(64)));

/* The state at the start of a program. */
void cassin_vectors_init(struct cassin_vectors *v);

/* Numbers, or negated codes. */
static inline int64_t cassin_space_create(void)
{
	return cassin_call0(CASSIN_CALL_SPACE_CREATE);
}

static inline int64_t cassin_space_destroy(uint64_t space)
{
	return cassin_call(CASSIN_CALL_SPACE_DESTROY, space, 0, 0, 0, 0);
}

/* Runs user code until it gives a reason (enum cassin_user_reason), which is the result, or a negated code. Its vector
 * registers come from *v and go there; NULL: it has none of its own, sees those of its kernel, and may change them. */
int64_t cassin_user_run(uint64_t space, struct cassin_user_frame *frame, uint64_t deadline, struct cassin_vectors *v);

#endif
