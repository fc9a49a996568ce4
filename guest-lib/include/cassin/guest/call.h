/* SPDX-License-Identifier: MIT */
/* The hypercall instruction. Results are 0 or more, or a negated CASSIN_E* code. */
#ifndef CASSIN_GUEST_CALL_H
#define CASSIN_GUEST_CALL_H

#include <cassin/abi.h>

/* Vector registers may be lost in any call but CASSIN_CALL_NULL; the compiler knows. */
static inline int64_t cassin_call(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e)
{
	register uint64_t r10 __asm__("r10") = d;
	register uint64_t r8 __asm__("r8") = e;
	int64_t result;
	__asm__ volatile("out %%al, %[port]"
			 : "=a"(result)
			 : [port] "i"(CASSIN_PORT), "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
			 : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
			   "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15", "st");
	return result;
}

static inline int64_t cassin_call0(uint64_t number)
{
	return cassin_call(number, 0, 0, 0, 0, 0);
}

static inline int64_t cassin_enter(uint64_t submit, uint64_t least, uint64_t deadline)
{
	return cassin_call(CASSIN_CALL_ENTER, submit, least, deadline, 0, 0);
}

/* Paging: docs/abi.md tells the codes. */
static inline int64_t cassin_map(uint64_t space, void *va, uint64_t page, uint64_t count, uint64_t rights)
{
	return cassin_call(CASSIN_CALL_MAP, space, (uint64_t)va, page, count, rights);
}

static inline int64_t cassin_unmap(uint64_t space, void *va, uint64_t count)
{
	return cassin_call(CASSIN_CALL_UNMAP, space, (uint64_t)va, count, 0, 0);
}

static inline int64_t cassin_protect(uint64_t space, void *va, uint64_t count, uint64_t rights)
{
	return cassin_call(CASSIN_CALL_PROTECT, space, (uint64_t)va, count, rights, 0);
}

#endif
