/* SPDX-License-Identifier: MIT */
#include "cell/clock.h"

#include <cpuid.h>
#include <unistd.h>
#include <x86intrin.h>

#include "base/time.h"

#define FIRST_MEASURE_US 5000
#define TSC_SHIFT 32
#define SLEW_MOST ((int64_t)NS_PER_S / 1000) /* of error taken out within a second */

/* Reads both clocks at nearly one moment: the tightest of a few tries. */
static void sample(uint64_t *tsc, uint64_t *mono)
{
	uint64_t best = UINT64_MAX;
	for (int i = 0; i < 5; i++) {
		uint64_t before = __rdtsc(), ns = monotonic_ns(), after = __rdtsc();
		if (after - before < best) {
			best = after - before;
			*tsc = before + best / 2;
			*mono = ns;
		}
	}
}

static uint64_t rate(uint64_t ns, uint64_t ticks)
{
	return ticks ? (uint64_t)(((unsigned __int128)ns << TSC_SHIFT) / ticks) : 0;
}

static uint64_t page_time(const struct cassin_clock_page *p, uint64_t tsc)
{
	return p->mono_base + (uint64_t)((unsigned __int128)(tsc - p->tsc_base) * p->tsc_mul >> p->tsc_shift);
}

bool clock_tsc_invariant(void)
{
	unsigned a, b, c, d;
	return __get_cpuid(0x80000007, &a, &b, &c, &d) && d & 1u << 8;
}

void clock_init(struct clock *c, bool tsc)
{
	*c = (struct clock){.page = {.flags = tsc ? CASSIN_CLOCK_TSC : 0, .tsc_shift = TSC_SHIFT}};
	sample(&c->first_tsc, &c->first_mono);
	usleep(FIRST_MEASURE_US);
	uint64_t now_tsc = 0, now_mono = 0;
	sample(&now_tsc, &now_mono);
	c->page.tsc_base = now_tsc;
	c->page.mono_base = now_mono;
	c->page.tsc_mul = rate(now_mono - c->first_mono, now_tsc - c->first_tsc);
	c->page.wall_offset = (int64_t)(realtime_ns() - monotonic_ns());
}

void clock_steer(struct clock *c)
{
	uint64_t tsc = 0, mono = 0;
	sample(&tsc, &mono);
	uint64_t shown = page_time(&c->page, tsc);
	int64_t behind = (int64_t)(mono - shown);
	uint64_t true_rate = rate(mono - c->first_mono, tsc - c->first_tsc);
	if (behind > SLEW_MOST) { /* suspended, or stalled: forward at once */
		shown = mono;
		behind = 0;
	}
	if (behind < -SLEW_MOST)
		behind = -SLEW_MOST;
	c->page.tsc_base = tsc;
	c->page.mono_base = shown;
	c->page.tsc_mul = (uint64_t)((unsigned __int128)true_rate * ((uint64_t)behind + NS_PER_S) / NS_PER_S);
	c->page.wall_offset = (int64_t)(realtime_ns() - monotonic_ns());
}

void clock_publish(const struct clock *c, struct cassin_clock_page *to)
{
	uint32_t seq = to->seq; /* plain in the ABI's header, so no C11 atomic */
	__atomic_store_n(&to->seq, seq + 1, __ATOMIC_RELAXED);
	__atomic_thread_fence(__ATOMIC_RELEASE);
	to->flags = c->page.flags;
	to->tsc_base = c->page.tsc_base;
	to->mono_base = c->page.mono_base;
	to->wall_offset = c->page.wall_offset;
	to->tsc_mul = c->page.tsc_mul;
	to->tsc_shift = c->page.tsc_shift;
	__atomic_store_n(&to->seq, seq + 2, __ATOMIC_RELEASE);
}
