/* SPDX-License-Identifier: MIT */
/* A guest that is parked while it waits must find everything as it left it. */
#include "check.h"

#define PAGES 40u
#define PAGE CASSIN_PAGE_SIZE
#define RW (CASSIN_READ | CASSIN_WRITE)

static char data[3 * PAGE] __attribute__((aligned(4096))) = "data of the image";
static char *const alias = (char *)0x7000000000;

static char *heap(uint64_t page)
{
	return (char *)(cassin_boot->heap + (512 + page) * PAGE);
}

static char pattern(uint64_t page, uint64_t at, unsigned round)
{
	return (char)(page * 7 + at * 13 + at / 256 + round * 31);
}

static void write_all(unsigned round)
{
	for (uint64_t p = 0; p < PAGES; p++) {
		for (uint64_t i = 0; i < PAGE; i++)
			heap(p)[i] = pattern(p, i, round);
	}
	data[PAGE] = (char)round;
}

static void check_all(unsigned round)
{
	for (uint64_t p = 0; p < PAGES; p++) {
		for (uint64_t i = 0; i < PAGE; i++)
			CHECK_IS(heap(p)[i], pattern(p, i, round));
	}
	CHECK_IS(memcmp(data, "data of the image", 18), 0);
	CHECK_IS(data[PAGE], (char)round);
	CHECK_IS(data[2 * PAGE], 0);
	CHECK_IS(alias[5], pattern(1, 5, round)); /* the same page by another address */
}

/* A line of input for each round: the runner parks the guest in between. */
static void keeps(int argc, char **argv)
{
	char line[16];
	(void)argc;
	(void)argv;
	write_all(0);
	CHECK_IS(cassin_map(0, alias, cassin_boot->heap_page + 513, 1, CASSIN_READ), 0);
	CHECK_IS(cassin_unmap(0, heap(PAGES), 1), 0);
	CHECK_IS(cassin_protect(0, heap(2), 1, CASSIN_READ), 0);
	for (unsigned round = 0;; round++) {
		cassin_print("waiting %u\n", round);
		if (cassin_read(line, sizeof line) == 0)
			break;
		check_all(round);
		CHECK_IS(cassin_protect(0, heap(2), 1, RW), 0);
		write_all(round + 1);
		CHECK_IS(cassin_protect(0, heap(2), 1, CASSIN_READ), 0);
	}
	if (argc > 1)
		heap(argv[1][0] == 'h' ? PAGES : 2)[0] = 1; /* the hole and the right are as they were, too */
}

static void sleeps(int argc, char **argv)
{
	uint64_t until = cassin_now() + 400 * MS, before = cassin_virtual();
	(void)argc;
	(void)argv;
	cassin_print("waiting\n");
	cassin_sleep_until(until);
	CHECK(cassin_now() >= until);
	CHECK(cassin_virtual() - before < 400 * MS);
}

/* So much that it is put to sleep and woken in pieces; of words that do not compress. */
#define LARGE_WORDS ((32ul << 20) / sizeof(uint64_t))

static uint64_t *large(void)
{
	return (uint64_t *)heap(0);
}

static void check_large(void)
{
	unsigned long wrong = 0;
	for (unsigned long i = 0; i < LARGE_WORDS; i++)
		wrong += large()[i] != i * 0x9e3779b97f4a7c15ul;
	CHECK_IS(wrong, 0);
}

static void fill_large(void)
{
	for (unsigned long i = 0; i < LARGE_WORDS; i++)
		large()[i] = i * 0x9e3779b97f4a7c15ul;
}

static void larges(int argc, char **argv)
{
	char line[16];
	(void)argc;
	(void)argv;
	fill_large();
	for (unsigned round = 0;; round++) {
		cassin_print("waiting %u\n", round);
		if (cassin_read(line, sizeof line) == 0)
			break;
		check_large();
	}
	check_large();
}

static void freezes_large(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	fill_large();
	CHECK_IS(cassin_map(0, alias, cassin_boot->heap_page + 513, 1, CASSIN_READ), 0);
	cassin_call0(CASSIN_CALL_READY);
	check_large();
	CHECK_IS(((uint64_t *)alias)[3], large()[CASSIN_PAGE_SIZE / 8 + 3]);
}

#define WIDE 4000u
#define LISTENERS 200

/* A template with many mappings and listeners: its clones have them, in each of their lives. */
static void freezes_wide(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	*(uint64_t *)heap(7) = 77;
	CHECK_IS(cassin_map(0, alias, cassin_boot->heap_page + 512, WIDE, CASSIN_READ), 0);
	for (uint64_t i = 0; i < LISTENERS; i++)
		CHECK_IS(do_op(CASSIN_OP_LISTEN, 0, 0, 0, 100 + i), (int32_t)i);
	cassin_call0(CASSIN_CALL_READY);
	CHECK_IS(*(uint64_t *)(alias + 7 * PAGE), 77);
	CHECK_IS(alias[(WIDE - 1) * PAGE], 0);
	for (int32_t i = 0; i < LISTENERS; i++)
		CHECK_IS(do_op(CASSIN_OP_CLOSE, i, 0, 0, 0), 0);
	cassin_print("wide\n");
	cassin_sleep_until(cassin_now() + 5 * MS);
}

/* Everything that can come to it while it sleeps: connections and their bytes, time, input. */
static void serves_large(int argc, char **argv)
{
	char line[16], bytes[8];
	(void)argc;
	(void)argv;
	fill_large();
	int32_t listener = do_op(CASSIN_OP_LISTEN, 0, 0, 0, 7);
	CHECK(listener >= 0);
	for (unsigned round = 0; round < 3; round++) {
		cassin_print("accepting %u\n", round);
		int32_t c = do_op(CASSIN_OP_ACCEPT, listener, 0, 0, 0);
		CHECK(c >= 0);
		cassin_print("receiving %u\n", round);
		CHECK_IS(do_op(CASSIN_OP_RECV, c, (uintptr_t)bytes, sizeof bytes, 0), 5);
		CHECK_IS(memcmp(bytes, "hello", 5), 0);
		cassin_print("reading %u\n", round);
		CHECK_IS(cassin_read(line, sizeof line), 2);
		CHECK_IS(do_op(CASSIN_OP_CLOSE, c, 0, 0, 0), 0);
	}
	check_large();
}

static const struct property all[] = {{"keep", keeps},
				      {"sleep", sleeps},
				      {"large", larges},
				      {"serve-large", serves_large},
				      {"large-template", freezes_large},
				      {"wide-template", freezes_wide}};

PROPERTIES(all)
