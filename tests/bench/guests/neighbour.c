/* SPDX-License-Identifier: MIT */
/*
 * neighbour MODE PAGES [MS]: what a guest does beside another one.
 * touch     reads PAGES pages in turn for MS milliseconds of virtual time, and prints rounds in a second of that
 * protect   protects PAGES pages back and forth for ever
 * spaces    makes and destroys spaces with one page in each for ever
 * spin      computes for ever
 */
#include <cassin/guest.h>

#define SPACES 12
#define SPACE_VA 0x4000000000ul

static volatile unsigned char *pages_touched(uint64_t pages)
{
	volatile unsigned char *at = (unsigned char *)((cassin_boot->heap + 0x1ffff) & ~0xfffful);
	for (uint64_t i = 0; i < pages; i++)
		at[i * CASSIN_PAGE_SIZE] = 1;
	return at;
}

static uint64_t virtual_now(void)
{
	return (uint64_t)cassin_call(CASSIN_CALL_TIME, CASSIN_CLOCK_VIRTUAL, 0, 0, 0, 0);
}

static int touch(uint64_t pages, uint64_t ms)
{
	volatile unsigned char *at = pages_touched(pages);
	uint64_t from = virtual_now(), now = from, rounds = 0;
	for (; now - from < ms * 1000000; now = virtual_now(), rounds++) {
		for (uint64_t i = 0; i < pages; i++)
			(void)at[i * CASSIN_PAGE_SIZE];
	}
	cassin_print("%llu\n", (unsigned long long)(rounds * 1000000000 / (now - from)));
	return 0;
}

static int protect(uint64_t pages)
{
	void *at = (void *)pages_touched(pages);
	while (!cassin_protect(0, at, pages, CASSIN_READ) &&
	       !cassin_protect(0, at, pages, CASSIN_READ | CASSIN_WRITE)) {
	}
	return 1;
}

static int spaces(void)
{
	for (;;) {
		int64_t made[SPACES];
		for (unsigned i = 0; i < SPACES; i++) {
			made[i] = cassin_space_create();
			if (made[i] < 0 ||
			    cassin_map((unsigned)made[i], (void *)SPACE_VA, cassin_boot->heap_page, 1, CASSIN_READ))
				return 1;
		}
		for (unsigned i = 0; i < SPACES; i++)
			cassin_space_destroy((unsigned)made[i]);
	}
}

int main(int argc, char **argv)
{
	uint64_t pages = argc > 2 ? (uint64_t)cassin_parse(argv[2], strlen(argv[2])) : 1;
	uint64_t ms = argc > 3 ? (uint64_t)cassin_parse(argv[3], strlen(argv[3])) : 1;
	switch (argc > 1 ? argv[1][1] : 0) {
	case 'o':
		return touch(pages, ms);
	case 'r':
		return protect(pages);
	case 'p':
		if (argv[1][2] == 'a')
			return spaces();
		for (;;) {
		}
	}
	return 2;
}
