/* SPDX-License-Identifier: MIT */
/* Protection keys: no part of the ABI, yet ring 3 may write PKRU on some KVMs. Elsewhere this is an invalid opcode. */
#include "check.h"

static void write_keys(uint32_t value)
{
	__asm__ volatile("wrpkru" : : "a"(value), "c"(0), "d"(0) : "memory");
}

static uint32_t read_keys(void)
{
	uint32_t value, high;
	__asm__ volatile("rdpkru" : "=a"(value), "=d"(high) : "c"(0));
	return value;
}

static void clean(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(read_keys(), 0);
}

/* Denies all keys but the one that its own pages have; ends, or keeps the vCPU changing hands. */
static void leaves(int argc, char **argv)
{
	write_keys(0xfffffff0);
	cassin_print("written\n");
	while (argc > 2)
		cassin_call0(CASSIN_CALL_YIELD);
	(void)argv;
}

/* Others run in between, with keys of their own; what was written is kept when the slice ends. */
static void keeps(int argc, char **argv)
{
	uint64_t until = cassin_now() + 300 * MS;
	(void)argc;
	(void)argv;
	write_keys(0xffff0000);
	while (cassin_now() < until)
		CHECK_IS(read_keys(), 0xffff0000);
}

static void denies_itself(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cassin_print("denying\n");
	write_keys(0xffffffff);
	for (;;)
		cassin_call0(CASSIN_CALL_YIELD);
}

static const struct property all[] = {{"clean", clean}, {"leave", leaves}, {"keep", keeps}, {"deny", denies_itself}};

int main(int argc, char **argv)
{
	return prove(all, sizeof all / sizeof *all, argc, argv);
}
