/* SPDX-License-Identifier: MIT */
/* Output without end and input in pieces. */
#include "check.h"

#define LINE 64u

/* Writes argv[1] KiB in numbered lines of 64 bytes. */
static void floods(int argc, char **argv)
{
	static char text[4096];
	uint64_t kib = argc > 1 ? (uint64_t)cassin_parse(argv[1], strlen(argv[1])) : 1024, line = 0;
	for (uint64_t done = 0; done < kib * 1024; done += sizeof text) {
		memset(text, '.', sizeof text);
		for (size_t at = 0; at < sizeof text; at += LINE) {
			cassin_format(text + at, LINE, "line %lu ", line++);
			text[at + strlen(text + at)] = ' ';
			text[at + LINE - 1] = '\n';
		}
		if (line / (sizeof text / LINE) % 2)
			cassin_write(text, sizeof text);
		else
			CHECK_IS(do_op(CASSIN_OP_CONSOLE_WRITE, 0, (uint64_t)text, sizeof text, 0), sizeof text);
	}
}

static void floods_for_ever(int argc, char **argv)
{
	static char text[4096];
	(void)argc;
	(void)argv;
	memset(text, 'f', sizeof text);
	for (;;)
		cassin_write(text, sizeof text);
}

/* One large write, as an operation. */
static void writes_much(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	char *text = cassin_alloc(CASSIN_IO_MAX);
	CHECK(text);
	memset(text, 'm', CASSIN_IO_MAX);
	CHECK_IS(do_op(CASSIN_OP_CONSOLE_WRITE, 0, (uint64_t)text, CASSIN_IO_MAX, 0), CASSIN_IO_MAX);
	CHECK_IS(do_op(CASSIN_OP_CONSOLE_WRITE, 0, (uint64_t)text, 0, 0), 0);
}

/* Gives back what it reads until the input ends, and counts it. */
static void echoes(int argc, char **argv)
{
	static char text[1000];
	uint64_t total = 0;
	int32_t n;
	(void)argc;
	(void)argv;
	while ((n = cassin_read(text, sizeof text)) > 0) {
		cassin_write(text, (size_t)n);
		total += (uint64_t)n;
	}
	CHECK_IS(n, 0);
	CHECK_IS(cassin_read(text, 1), 0);
	cassin_print("\n%lu bytes\n", total);
}

static void cancels_read(int argc, char **argv)
{
	static char text[8];
	(void)argc;
	(void)argv;
	start_op(1, CASSIN_OP_CONSOLE_READ, 0, text, sizeof text, 0);
	start_op(2, CASSIN_OP_CONSOLE_READ, 0, text, sizeof text, 0);
	start_op(3, CASSIN_OP_CANCEL, 0, NULL, 0, 1);
	start_op(4, CASSIN_OP_CANCEL, 0, NULL, 0, 2);
	int32_t result[5] = {0};
	for (int i = 0; i < 4; i++) {
		struct cassin_cqe cqe = await_any();
		result[cqe.user_data] = cqe.result;
	}
	CHECK_IS(result[1], -CASSIN_ECANCELED);
	CHECK_IS(result[2], -CASSIN_ECANCELED);
	CHECK_IS(result[3], 0);
	CHECK_IS(result[4], 0);
	cassin_print("cancelled\n");
	CHECK(cassin_read(text, sizeof text) > 0); /* nothing was eaten */
}

static const struct property all[] = {
	{"flood", floods},        {"flood-for-ever", floods_for_ever}, {"much", writes_much}, {"echo", echoes},
	{"cancel", cancels_read},
};
PROPERTIES(all)
