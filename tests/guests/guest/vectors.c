/* SPDX-License-Identifier: MIT */
/* The whole extended state: x87, SSE, AVX and what else the CPU has. Clean at the start, kept when preempted. */
#include "check.h"

#define AREA 16384u
#define COMPONENTS UINT64_C(0xe7) /* x87, SSE, AVX and the three of AVX-512 */
#define X87_REGISTERS 32u
#define XMM_REGISTERS 160u
#define LEGACY_END 416u
#define XSAVE_HEADER 512u
#define XSAVE_AFTER 576u

static uint8_t area[AREA] __attribute__((aligned(64))), other[AREA] __attribute__((aligned(64)));

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t out[4])
{
	__asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(sub));
}

static bool has_xsave(void)
{
	uint32_t r[4];
	cpuid(1, 0, r);
	return r[2] >> 27 & 1;
}

static uint64_t xcr0(void)
{
	uint32_t low, high;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

static uint32_t area_size(void)
{
	uint32_t r[4];
	cpuid(0xd, 0, r);
	return r[1];
}

static void save(uint8_t *to)
{
	if (has_xsave())
		__asm__ volatile("xsave64 (%0)" : : "r"(to), "a"(UINT32_MAX), "d"(UINT32_MAX) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" : : "r"(to) : "memory");
}

static bool clean(const uint8_t *p, uint32_t from, uint32_t to)
{
	for (uint32_t i = from; i < to; i++) {
		if (p[i]) {
			cassin_print("byte %u of the state is 0x%x\n", i, p[i]);
			return false;
		}
	}
	return true;
}

static uint32_t word(const uint8_t *p, uint32_t at)
{
	uint32_t w;
	memcpy(&w, p + at, sizeof w);
	return w;
}

static uint64_t selectors; /* at the start */

/* The state that the guest finds is the processor's initial one. */
static void starts_clean(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(selectors, (selectors & 0xffff) * 0x0001000100010001); /* all alike; which one is the KVM's business */
	CHECK_IS(word(area, 0) & 0xffff, 0x37f);
	CHECK_IS(word(area, 24), 0x1f80);
	CHECK(clean(area, 2, 8));
	CHECK(clean(area, X87_REGISTERS, LEGACY_END));
	if (has_xsave()) {
		CHECK(area_size() <= AREA);
		CHECK(clean(area, XSAVE_AFTER, area_size()));
		CHECK(xcr0() & 1);
	}
}

static uint64_t build(uint8_t *to, uint8_t pattern)
{
	uint64_t mask = has_xsave() ? xcr0() & COMPONENTS : 3;
	memset(to, 0, AREA);
	static const uint16_t control = 0x27f;
	static const uint32_t mxcsr = 0x3f80;
	memcpy(to, &control, sizeof control);
	memcpy(to + 24, &mxcsr, sizeof mxcsr);
	to[4] = 0xff; /* all x87 registers hold something */
	for (uint32_t r = 0; r < 8; r++)
		memset(to + X87_REGISTERS + 16 * r, pattern ^ (uint8_t)r, 10);
	memset(to + XMM_REGISTERS, pattern, LEGACY_END - XMM_REGISTERS);
	for (uint32_t c = 2; has_xsave() && c < 8; c++) {
		uint32_t r[4];
		cpuid(0xd, c, r);
		if (mask >> c & 1)
			memset(to + r[1], pattern + (uint8_t)c, r[0]);
	}
	memcpy(to + XSAVE_HEADER, &mask, has_xsave() ? sizeof mask : 0);
	return mask;
}

/* Loads the state, computes for a while in general registers alone, and stores it. */
static void load_spin_save(const uint8_t *from, uint8_t *to, uint64_t mask, uint64_t spin)
{
	if (has_xsave())
		__asm__ volatile("xrstor64 (%1)\n1:\tdec %0\n\tjnz 1b\n\txsave64 (%2)\n\tfninit"
				 : "+r"(spin)
				 : "r"(from), "r"(to), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
				 : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
				   "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	else
		__asm__ volatile("fxrstor64 (%1)\n1:\tdec %0\n\tjnz 1b\n\tfxsave64 (%2)\n\tfninit"
				 : "+r"(spin)
				 : "r"(from), "r"(to)
				 : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
				   "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

/* Leaves a pattern in every register: for ever, or (argv[1] "exit", "block") ends or blocks so. */
static void fills(int argc, char **argv)
{
	build(area, 0xa5);
	uint64_t mask = build(other, 0xa5), spin = argc > 1 ? 1 : UINT64_MAX;
	__asm__ volatile(
		"mov %%ss, %%ecx\nmov %%ecx, %%ds\nmov %%ecx, %%fs\nxor %%ecx, %%ecx\nmov %%ecx, %%es\nmov %%ecx, "
		"%%gs" ::
			: "ecx");
	cassin_print("filled\n");
	if (spin == UINT64_MAX)
		load_spin_save(other, area, mask, spin);
	bool block = strcmp(argv[1], "block") == 0;
	uint64_t number = block ? CASSIN_CALL_ENTER : CASSIN_CALL_EXIT;
	uint64_t when = cassin_now() + 3600 * 1000 * MS;
	if (has_xsave())
		__asm__ volatile("xrstor64 (%0)"
				 :
				 : "r"(other), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32))
				 : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" : : "r"(other) : "memory");
	__asm__ volatile("out %%al, $0xca" : : "a"(number), "D"(0), "S"(0), "d"(when) : "memory");
}

/* argv[1]: ms of virtual time. argv[2]: a number that makes this guest's pattern. */
static void keeps(int argc, char **argv)
{
	CHECK(argc > 2);
	uint64_t until = cassin_virtual() + (uint64_t)cassin_parse(argv[1], strlen(argv[1])) * MS;
	uint8_t pattern = (uint8_t)cassin_parse(argv[2], strlen(argv[2]));
	uint64_t mask = build(area, pattern);
	uint32_t end = has_xsave() ? area_size() : LEGACY_END;
	while (cassin_virtual() < until) {
		memset(other, 0, AREA);
		load_spin_save(area, other, mask, 2000000);
		CHECK_IS(word(other, 0) & 0xffff, 0x27f);
		CHECK_IS(word(other, 24), 0x3f80);
		CHECK_IS(memcmp(area + X87_REGISTERS, other + X87_REGISTERS, LEGACY_END - X87_REGISTERS), 0);
		if (end > XSAVE_AFTER)
			CHECK_IS(memcmp(area + XSAVE_AFTER, other + XSAVE_AFTER, end - XSAVE_AFTER), 0);
	}
}

/* Loads the state, makes a call that is too long for one turn, and stores it. */
static int64_t load_enter_save(const uint8_t *from, uint8_t *to, uint64_t mask, uint64_t submit)
{
	int64_t result = CASSIN_CALL_ENTER;
	uint64_t high = mask >> 32;
	if (has_xsave())
		__asm__ volatile(
			"xrstor64 (%1)\n\tmov %0, %%rax\n\txor %%edx, %%edx\n\tout %%al, $0xca\n\t"
			"mov %%rax, %0\n\tmov $-1, %%eax\n\tmov $-1, %%edx\n\txsave64 (%2)\n\tfninit"
			: "+r"(result), "+r"(from), "+r"(to), "+a"(mask), "+d"(high)
			: "D"(submit), "S"(0)
			: "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
			  "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	else
		__asm__ volatile("fxrstor64 (%1)\n\tout %%al, $0xca\n\tfxsave64 (%2)\n\tfninit"
				 : "+a"(result)
				 : "r"(from), "r"(to), "D"(submit), "S"(0), "d"(0)
				 : "memory", "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
				   "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
	return result;
}

/* Calls that do not block keep the state, however many turns they take. argv[1]: how many; argv[2]: the pattern. */
static void keeps_in_calls(int argc, char **argv)
{
	enum { OPS = 12, SIZE = 1 << 20 };
	CHECK(argc > 2);
	uint64_t mask = build(area, (uint8_t)cassin_parse(argv[2], strlen(argv[2])));
	uint64_t rounds = (uint64_t)cassin_parse(argv[1], strlen(argv[1]));
	void *to = (void *)page_up(cassin_boot->heap + (1 << 20));
	struct cassin_cqe cqe;
	for (int64_t waiting = 0; rounds; rounds--) {
		for (; waiting < OPS; waiting++)
			start_op(0, CASSIN_OP_RANDOM, 0, to, SIZE, 0);
		memset(other, 0, AREA);
		int64_t taken = load_enter_save(area, other, mask, OPS);
		CHECK(taken > 0);
		CHECK_IS(memcmp(area + X87_REGISTERS, other + X87_REGISTERS, LEGACY_END - X87_REGISTERS), 0);
		for (waiting -= taken; taken; taken--)
			CHECK(cassin_wait(1, CASSIN_FOREVER) == 0 && cassin_next(&cqe) && cqe.result == SIZE);
	}
}

/* Blocks for a millisecond at a time, for ever, with a pattern in the registers. */
static void wakes(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (uint64_t mask = build(area, 0x5a);;) {
		uint64_t when = cassin_now() + MS;
		if (has_xsave())
			__asm__ volatile("xrstor64 (%0)"
					 :
					 : "r"(area), "a"((uint32_t)mask), "d"((uint32_t)(mask >> 32)));
		else
			__asm__ volatile("fxrstor64 (%0)" : : "r"(area));
		int64_t r;
		__asm__ volatile("out %%al, $0xca"
				 : "=a"(r)
				 : "a"(CASSIN_CALL_ENTER), "D"(0), "S"(0), "d"(when)
				 : "memory");
		__asm__ volatile("fninit");
	}
}

#define FLAGS_ID UINT64_C(0x200000)
#define FLAGS_NT UINT64_C(0x4000)

static uint64_t flags(void)
{
	uint64_t r;
	__asm__ volatile("pushf\n\tpop %0" : "=r"(r));
	return r;
}

/* Flags that are nobody's, and that all code can set. */
static void leaves_flags(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(flags() & (FLAGS_ID | FLAGS_NT), 0);
	__asm__ volatile("push %0\n\tpopf" : : "r"(flags() | FLAGS_ID | FLAGS_NT) : "cc");
}

static const struct property all[] = {{"flags", leaves_flags}, {"clean", starts_clean},           {"fill", fills},
				      {"keep", keeps},         {"keep-in-calls", keeps_in_calls}, {"wake", wakes}};

int main(int argc, char **argv)
{
	selectors = data_selectors();
	save(area); /* before anything that the compiler may do with vectors */
	return prove(all, sizeof all / sizeof *all, argc, argv);
}
