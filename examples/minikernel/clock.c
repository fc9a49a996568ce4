/* SPDX-License-Identifier: MIT */
/* The time, from the clock page or by a call. */
#include "kernel.h"

const struct cassin_clock_page *clock_page;

uint64_t now(void)
{
	const volatile struct cassin_clock_page *p = clock_page;
	uint32_t before;
	uint64_t ns;
	if (!(p->flags & CASSIN_CLOCK_TSC))
		return (uint64_t)call(CASSIN_CALL_TIME, CASSIN_CLOCK_MONOTONIC, 0, 0, 0, 0);
	do {
		before = __atomic_load_n(&p->seq, __ATOMIC_ACQUIRE);
		uint64_t tsc = __builtin_ia32_rdtsc(), base = p->tsc_base;
		uint64_t ticks = tsc > base ? tsc - base : 0;
		ns = p->mono_base + (uint64_t)((unsigned __int128)ticks * p->tsc_mul >> p->tsc_shift);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
	} while (before & 1 || before != p->seq);
	return ns;
}
