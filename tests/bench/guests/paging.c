/* SPDX-License-Identifier: MIT */
/*
 * paging user COUNT STRETCHES      runs of user code that make one system call, COUNT in each stretch
 * paging map PAGES COUNT STRETCHES map calls of so many pages, COUNT in each stretch
 *
 * The first prints the median of the exits for 1,000 of them, the second that of the nanoseconds of a stretch.
 */
#include <cassin/guest.h>

#include "../median.h"

CASSIN_NEEDS_1_1;

#define STRETCHES_MOST 1024u
#define USER_CODE UINT64_C(0x400000)
#define ELSEWHERE ((void *)UINT64_C(0x4000000000))
#define RW (CASSIN_READ | CASSIN_WRITE)

static uint64_t figures[STRETCHES_MOST];

static uint64_t number(const char *text)
{
	return (uint64_t)cassin_parse(text, strlen(text));
}

/* A page in the upper half of the heap, which the allocator does not reach. */
static uint64_t spare(void)
{
	return cassin_boot->heap_size / CASSIN_PAGE_SIZE / 2;
}

static int64_t user_make(void)
{
	static const uint8_t code[] = {0xe6, CASSIN_PORT, 0xeb, 0xfc}; /* out %al, $0xca; jmp back to it */
	int64_t space = cassin_space_create();
	memcpy((void *)(cassin_boot->heap + spare() * CASSIN_PAGE_SIZE), code, sizeof code);
	if (space < 0 || cassin_map((uint64_t)space, (void *)USER_CODE, cassin_boot->heap_page + spare(), 1,
				    CASSIN_READ | CASSIN_EXEC))
		cassin_exit(3);
	return space;
}

static int user(uint64_t count, uint64_t stretches)
{
	struct cassin_user_frame frame = {.regs.rip = USER_CODE};
	struct cassin_info before, after;
	uint64_t space = (uint64_t)user_make();
	for (uint64_t s = 0; s < stretches; s++) {
		cassin_info(&before);
		for (uint64_t i = 0; i < count; i++) {
			if (cassin_user_run(space, &frame, CASSIN_FOREVER, NULL) != CASSIN_USER_CALL)
				return 4;
		}
		cassin_info(&after);
		figures[s] = (after.exits - before.exits - 1) * 1000 / count;
	}
	return 0;
}

static int map(uint64_t pages, uint64_t count, uint64_t stretches)
{
	for (uint64_t s = 0; s < stretches; s++) {
		figures[s] = 0;
		for (uint64_t i = 0; i < count; i++) {
			uint64_t start = cassin_now();
			if (cassin_map(0, ELSEWHERE, cassin_boot->heap_page + spare(), pages, RW))
				return 5;
			figures[s] += cassin_now() - start;
			if (cassin_unmap(0, ELSEWHERE, pages))
				return 6;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t stretches = argc > 3 ? number(argv[argc - 1]) : 0;
	int r = 2;
	if (!stretches || stretches > STRETCHES_MOST)
		return r;
	if (argc == 4 && strcmp(argv[1], "user") == 0)
		r = user(number(argv[2]), stretches);
	if (argc == 5 && strcmp(argv[1], "map") == 0)
		r = map(number(argv[2]), number(argv[3]), stretches);
	if (!r)
		cassin_print("%llu\n", (unsigned long long)median(figures, (uint32_t)stretches));
	return r;
}
