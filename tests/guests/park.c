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

static const struct property all[] = {{"keep", keeps}, {"sleep", sleeps}};

PROPERTIES(all)
