/* SPDX-License-Identifier: MIT */
/* Ways to live and to end. */
#include "check.h"

static void exits(int argc, char **argv)
{
	cassin_exit(argc > 1 ? (int)cassin_parse(argv[1], strlen(argv[1])) : 0);
}

static void crashes(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	__asm__ volatile("ud2");
}

static void sleeps(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cassin_print("sleeping\n");
	for (;;)
		cassin_sleep_until(cassin_now() + 3600 * 1000 * MS);
}

/* Blocked with a ring and nothing in flight. */
static void waits(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	CHECK_IS(do_op(CASSIN_OP_NOP, 0, 0, 0, 0), 0);
	cassin_print("waiting\n");
	for (;;)
		cassin_enter(0, 1, CASSIN_FOREVER);
}

static void accepts(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	int32_t listener = do_op(CASSIN_OP_LISTEN, 0, 0, 0, 7);
	CHECK(listener >= 0);
	cassin_print("accepting\n");
	int32_t r = do_op(CASSIN_OP_ACCEPT, listener, 0, 0, 0);
	CHECK_IS(r, -CASSIN_ECANCELED);
	CHECK_IS(do_op(CASSIN_OP_ACCEPT, listener, 0, 0, 0), -CASSIN_ECANCELED);
	char byte;
	CHECK_IS(cassin_read(&byte, 1), 0);
	cassin_print("asked to stop\n");
}

static void reads(int argc, char **argv)
{
	char text[64];
	int32_t n;
	(void)argc;
	(void)argv;
	cassin_print("reading\n");
	while ((n = cassin_read(text, sizeof text)) > 0) {
		cassin_print("read: ");
		cassin_write(text, (size_t)n);
	}
	CHECK_IS(n, 0);
	cassin_print("end of input\n");
}

/* Fails until it was restarted twice. */
static void recovers(int argc, char **argv)
{
	struct cassin_info info;
	(void)argc;
	(void)argv;
	cassin_info(&info);
	cassin_print("life %lu\n", info.restarts);
	if (info.restarts == 0)
		cassin_exit(3);
	if (info.restarts == 1)
		__asm__ volatile("ud2");
}

static void readies(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cassin_sleep_until(cassin_now() + 100 * MS);
	cassin_ready();
	for (;;)
		cassin_sleep_until(cassin_now() + 1000 * MS);
}

static const struct property all[] = {
	{"exit", exits},     {"crash", crashes}, {"sleep", sleeps},     {"wait", waits},
	{"accept", accepts}, {"read", reads},    {"recover", recovers}, {"ready", readies},
};
PROPERTIES(all)
