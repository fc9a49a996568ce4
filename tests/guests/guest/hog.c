/* SPDX-License-Identifier: MIT */
/* Guests that never stop by themselves. */
#include "check.h"

static void spins(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cassin_print("spinning\n");
	for (;;)
		__asm__ volatile("");
}

/* With I/O privilege level 3 a guest may clear its interrupt flag; preemption must not care. */
static void spins_without_interrupts(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cassin_print("spinning\n");
	__asm__ volatile("cli");
	for (;;)
		__asm__ volatile("");
}

static void calls(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cassin_print("spinning\n");
	for (;;)
		cassin_call0(CASSIN_CALL_NULL);
}

static void yields(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cassin_print("spinning\n");
	for (;;)
		cassin_call0(CASSIN_CALL_YIELD);
}

/* Every turn of this loop faults a page in and drops its mapping. */
static void faults(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cassin_print("spinning\n");
	for (;;) {
		CHECK_IS(cassin_map(0, (void *)(uintptr_t)ELSEWHERE, spare_page(0), 1, CASSIN_READ | CASSIN_WRITE), 0);
		*ELSEWHERE = 1;
		CHECK_IS(cassin_unmap(0, (void *)(uintptr_t)ELSEWHERE, 1), 0);
	}
}

/* Computes and sleeps in turn: its worker is idle now and then, and takes guests over from others. */
static void naps(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cassin_print("spinning\n");
	for (;;) {
		uint64_t now = cassin_now();
		while (cassin_now() < now + 4 * MS) {
		}
		cassin_sleep_until(now + 8 * MS);
	}
}

/* Checks for argv[1] ms of virtual time that preemption keeps the general registers, the flags and the fs base. */
static void keeps_registers(int argc, char **argv)
{
	static uint64_t tls[2];
	uint64_t seed, until = cassin_virtual() + (uint64_t)cassin_parse(argv[argc - 1], strlen(argv[argc - 1])) * MS;
	CHECK_IS(cassin_random(&seed, sizeof seed), 0);
	tls[0] = seed;
	CHECK_IS(cassin_call(CASSIN_CALL_TLS_SET, (uint64_t)tls, 0, 0, 0, 0), 0);
	while (cassin_virtual() < until) {
		uint64_t bad = 1, got = seed;
		__asm__ volatile(
			"mov %[s], %%rax\n\tlea 1(%%rax), %%rbx\n\tlea 2(%%rax), %%rcx\n\tlea 3(%%rax), %%rdx\n\t"
			"lea 4(%%rax), %%r8\n\tlea 5(%%rax), %%r9\n\tlea 6(%%rax), %%r10\n\tlea 7(%%rax), %%r11\n\t"
			"lea 8(%%rax), %%r12\n\tlea 9(%%rax), %%r13\n\tlea 10(%%rax), %%r14\n\tmov $2000000, %%r15\n"
			"1:\tdec %%r15\n\tjnz 1b\n\t"
			"neg %%rax\n\tadd %%rax, %%rbx\n\tadd %%rax, %%rcx\n\tadd %%rax, %%rdx\n\tadd %%rax, %%r8\n\t"
			"add %%rax, %%r9\n\tadd %%rax, %%r10\n\tadd %%rax, %%r11\n\tadd %%rax, %%r12\n\tadd %%rax, "
			"%%r13\n\t"
			"add %%rax, %%r14\n\tadd %%rcx, %%rbx\n\tadd %%rdx, %%rbx\n\tadd %%r8, %%rbx\n\tadd %%r9, "
			"%%rbx\n\t"
			"add %%r10, %%rbx\n\tadd %%r11, %%rbx\n\tadd %%r12, %%rbx\n\tadd %%r13, %%rbx\n\tadd %%r14, "
			"%%rbx\n\t"
			"mov %%rbx, %[bad]\n\tmov %%fs:0, %%rax\n\tmov %%rax, %[got]"
			: [bad] "=m"(bad), [got] "=m"(got)
			: [s] "m"(seed)
			: "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc");
		CHECK_IS(bad, 55);
		CHECK_IS(got, seed);
	}
}

static const struct property all[] = {
	{"spin", spins}, {"cli", spins_without_interrupts}, {"call", calls}, {"yield", yields}, {"fault", faults},
	{"nap", naps},   {"registers", keeps_registers},
};
PROPERTIES(all)
