/* SPDX-License-Identifier: MIT */
/*
 * SEED ROUNDS: calls with any number and any arguments, one after the other, and accesses to whatever is mapped by then. The guest may
 * end in any way that a guest can; nobody else notices.
 */
#include "check.h"

CASSIN_NEEDS_1_1;

#define CALLS 21u
#define SPARES 32u /* pages that most of what is mapped or unmapped is about */
#define VA UINT64_C(0x600000)

static uint64_t seed;
static struct cassin_user_frame frame;

static uint32_t next(void)
{
	seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(seed >> 33);
}

static uint64_t any_address(void)
{
	const uint64_t some[] = {(uint64_t)&frame,
				 (uint64_t)spare(next() % SPARES),
				 (uint64_t)spare(next() % SPARES) + 4080,
				 VA + next() % SPARES * 4096,
				 VA + next() % SPARES * 4096 + next() % 4096,
				 cassin_boot->clock_page,
				 cassin_boot->info_page,
				 (uint64_t)any_address,
				 cassin_boot->stack_low - 8,
				 cassin_boot->heap + cassin_boot->heap_size - 8,
				 0,
				 CASSIN_VA_END - 8,
				 CASSIN_VA_END,
				 UINT64_C(0x7ff000000000),
				 UINT64_C(1) << 63,
				 UINT64_MAX - 7};
	return some[next() % (sizeof some / sizeof *some)];
}

static uint64_t any_argument(void)
{
	switch (next() % 8) {
	case 0:
	case 1:
		return any_address();
	case 2:
		return spare_page(next() % SPARES);
	case 3:
		return VA + next() % SPARES * 4096;
	case 4:
		return next() % 8;
	case 5:
		return next() % 4096;
	case 6:
		return UINT64_C(1) << next() % 64;
	default:
		return (uint64_t)next() << 33 ^ next();
	}
}

static int64_t call(uint64_t number, const uint64_t *a)
{
	register uint64_t r10 __asm__("r10") = a[3];
	register uint64_t r8 __asm__("r8") = a[4];
	register uint64_t r9 __asm__("r9") = a[5];
	int64_t r = (int64_t)number;
	__asm__ volatile("out %%al, $0xca"
			 : "+a"(r)
			 : "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "memory", "cc");
	return r;
}

/* Calls that are likely to succeed, and what is likely to be done then. */
static void shape(uint64_t number, uint64_t *a)
{
	uint64_t space = next() % 4, page = next() % SPARES;
	switch (number) {
	case CASSIN_CALL_ENTER:
	case CASSIN_CALL_USER_RUN:
		a[2] = next() % 2 ? 0 : cassin_now() + next() % 1000000;
		a[0] = number == CASSIN_CALL_USER_RUN ? space : a[0];
		a[1] = number == CASSIN_CALL_USER_RUN ? (uint64_t)&frame : next() % 2;
		frame.regs.rip = VA + page * 4096;
		break;
	case CASSIN_CALL_MAP:
		a[0] = space;
		a[1] = VA + page * 4096;
		a[2] = spare_page(next() % SPARES);
		a[3] = 1 + next() % 8;
		a[4] = next() % 8;
		break;
	case CASSIN_CALL_UNMAP:
	case CASSIN_CALL_PROTECT:
		a[0] = space;
		a[1] = VA + page * 4096;
		a[2] = 1 + next() % 8;
		a[3] = next() % 8;
		break;
	case CASSIN_CALL_SPACE_DESTROY:
		a[0] = space;
		break;
	default:
		break;
	}
}

int main(int argc, char **argv)
{
	uint64_t rounds = argc > 2 ? (uint64_t)cassin_parse(argv[2], strlen(argv[2])) : 1000;
	seed = argc > 1 ? (uint64_t)cassin_parse(argv[1], strlen(argv[1])) : 1;
	for (uint64_t i = 0; i < rounds; i++) {
		uint64_t a[6], number = next() % CALLS;
		for (unsigned k = 0; k < 6; k++)
			a[k] = any_argument();
		if (next() % 4)
			shape(number, a);
		bool ends = number == CASSIN_CALL_EXIT || number == CASSIN_CALL_UPCALL_RETURN ||
			    number == CASSIN_CALL_UPCALL_SET; /* or soon */
		if (ends && next() % 256)
			number = CASSIN_CALL_YIELD;
		if (number == CASSIN_CALL_LOG)
			a[1] %= 4;
		if (number == CASSIN_CALL_ENTER && next() % 256)
			a[2] = 0; /* most do not wait */
		call(next() % 64 ? number : CALLS + any_argument() % (UINT64_MAX - CALLS), a);
		if (next() % 8 == 0)
			*spare(next() % SPARES) = (uint8_t)i;
	}
	cassin_print("all %lu\n", rounds);
	return 0;
}
