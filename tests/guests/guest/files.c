/* SPDX-License-Identifier: MIT */
/* The files that a spec gives. */
#include "check.h"

/* What the runner has made: "greeting" and "lib/numbers", the latter one byte longer than an operation may be. */
#define GREETING "hello, guest"
#define NUMBERS_SIZE (CASSIN_IO_MAX + 1)

static uint8_t number_at(uint64_t i)
{
	return (uint8_t)(i * 7 + (i >> 12));
}

static void names(int argc, char **argv)
{
	struct cassin_file_info info;
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_file_info(0, &info), 0);
	CHECK(strcmp(info.name, "greeting") == 0);
	CHECK_IS(info.size, strlen(GREETING));
	CHECK_IS(info.rsv, 0);
	CHECK_IS(cassin_file_info(1, &info), 0);
	CHECK(strcmp(info.name, "lib/numbers") == 0);
	CHECK_IS(info.size, NUMBERS_SIZE);
	info.size = 0;
	CHECK_IS(cassin_file_find("lib/numbers", &info), 1);
	CHECK_IS(info.size, NUMBERS_SIZE);
	CHECK_IS(cassin_file_find("lib/numbers", NULL), 1);
	CHECK_IS(cassin_file_find("numbers", NULL), -CASSIN_ENOENT);
}

static void reads(int argc, char **argv)
{
	static uint8_t all[NUMBERS_SIZE];
	char part[8] = "........";
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_file_read(0, 7, part, 3), 3);
	CHECK(memcmp(part, "gue.....", 8) == 0);
	CHECK_IS(cassin_file_read(0, 10, part, sizeof part), 2);
	CHECK(memcmp(part, "ste.....", 8) == 0);
	CHECK_IS(cassin_file_read(0, 12, part, sizeof part), 0);
	CHECK_IS(cassin_file_read(0, UINT64_MAX, part, sizeof part), 0);
	CHECK_IS(cassin_file_read(0, 0, part, 0), 0);
	CHECK(memcmp(part, "ste.....", 8) == 0);
	CHECK_IS(cassin_call(CASSIN_CALL_FILE_READ, 1, 0, (uint64_t)all, CASSIN_IO_MAX, 0), CASSIN_IO_MAX);
	CHECK_IS(cassin_file_read(1, 0, all, sizeof all), NUMBERS_SIZE);
	for (uint64_t i = 0; i < NUMBERS_SIZE; i++)
		CHECK_IS(all[i], number_at(i));
}

static int64_t read_call(uint64_t file, uint64_t offset, volatile void *to, uint64_t len)
{
	return cassin_call(CASSIN_CALL_FILE_READ, file, offset, (uint64_t)to, len, 0);
}

static void refused(int argc, char **argv)
{
	static char text[16];
	(void)argc;
	(void)argv;
	CHECK_IS(read_call(2, 0, text, 1), -CASSIN_ENOENT);
	CHECK_IS(read_call(UINT64_MAX, 0, text, 1), -CASSIN_ENOENT);
	CHECK_IS(read_call(0, 0, text, CASSIN_IO_MAX + 1), -CASSIN_EINVAL);
	CHECK_IS(read_call(0, 0, text, UINT64_MAX), -CASSIN_EINVAL);
	CHECK_IS(read_call(0, 0, ELSEWHERE, 1), -CASSIN_EFAULT);
	CHECK_IS(read_call(0, 0, (volatile void *)UINT64_MAX, 2), -CASSIN_EFAULT);
	CHECK_IS(read_call(0, 0, (volatile void *)(uint64_t)refused, 1), -CASSIN_EFAULT);
	CHECK_IS(read_call(0, 0, (volatile void *)cassin_boot->clock_page, 1), -CASSIN_EFAULT);
	CHECK_IS(cassin_call(CASSIN_CALL_FILE_INFO, 0, (uint64_t)ELSEWHERE, 0, 0, 0), -CASSIN_EFAULT);
	CHECK_IS(cassin_call(CASSIN_CALL_FILE_INFO, 2, (uint64_t)text, 0, 0, 0), -CASSIN_ENOENT);
	/* The end of the memory in the middle: nothing is written. */
	CHECK_IS(cassin_unmap(0, (void *)(uint64_t)spare(1), 1), 0);
	volatile uint8_t *last = spare(0) + CASSIN_PAGE_SIZE - 2;
	last[0] = last[1] = 'x';
	CHECK_IS(read_call(0, 0, last, 3), -CASSIN_EFAULT);
	CHECK(last[0] == 'x' && last[1] == 'x');
	CHECK_IS(read_call(0, 0, last, 2), 2);
	CHECK(last[0] == 'h' && last[1] == 'e');
	/* Behind the file's end nothing is written, so nothing need be there. */
	CHECK_IS(read_call(0, 10, last, 4096), 2);
	CHECK_IS(read_call(0, 12, ELSEWHERE, 4096), 0);
}

static void none(int argc, char **argv)
{
	struct cassin_file_info info;
	char byte;
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_file_info(0, &info), -CASSIN_ENOENT);
	CHECK_IS(cassin_file_read(0, 0, &byte, 1), -CASSIN_ENOENT);
}

/* Says what it finds, at once or, to be frozen before, behind its ready call. */
static void shows(int argc, char **argv)
{
	char text[64];
	(void)argc;
	(void)argv;
	cassin_call0(CASSIN_CALL_READY);
	int64_t n = cassin_file_read(0, 0, text, sizeof text);
	CHECK(n >= 0);
	cassin_write(text, (size_t)n);
	cassin_print(".\n");
}

static const struct property all[] = {
	{"names", names}, {"reads", reads}, {"refused", refused}, {"none", none}, {"shows", shows},
};
PROPERTIES(all)
