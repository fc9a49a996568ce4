/* SPDX-License-Identifier: MIT */
/* A guest that listens, closes and ends as its console's input says, letter by letter; each letter comes back on the console. */
#include "check.h"

#define PORT 7

static int32_t listener = -1;

static void serve_one(void)
{
	int32_t h = do_op(CASSIN_OP_ACCEPT, listener, 0, 0, 0);
	CHECK(h >= 0);
	CHECK_IS(do_op(CASSIN_OP_SEND, h, (uint64_t) "served", 6, 0), 6);
	CHECK_IS(do_op(CASSIN_OP_CLOSE, h, 0, 0, 0), 0);
}

static void obey(char letter)
{
	switch (letter) {
	case 'l':
		listener = do_op(CASSIN_OP_LISTEN, 0, 0, 0, PORT);
		CHECK(listener >= 0);
		break;
	case 'm': /* a handle too many, or a port too many */
		CHECK(do_op(CASSIN_OP_LISTEN, 0, 0, 0, PORT) < 0);
		break;
	case 'o':
		CHECK(do_op(CASSIN_OP_LISTEN, 0, 0, 0, PORT + 1) >= 0);
		break;
	case 'a':
		serve_one();
		break;
	case 'c':
		CHECK_IS(do_op(CASSIN_OP_CLOSE, listener, 0, 0, 0), 0);
		break;
	case 'f':
		cassin_exit(1);
	case 'r':
		cassin_call(CASSIN_CALL_READY_AT_WAIT, 0, 0, 0, 0, 0);
		break;
	default:
		CHECK(letter == '\n');
	}
	cassin_print("%c done\n", letter);
}

/* argv[1]: the letters of the boot; then it computes, without waiting, for argv[2] ms. At the end of its input it stays, unless argv[3]
 * says otherwise. */
static void obeys(int argc, char **argv)
{
	char letter;
	CHECK(argc > 2);
	uint64_t until = cassin_now() + (uint64_t)cassin_parse(argv[2], strlen(argv[2])) * MS;
	while (cassin_now() < until) {
	}
	for (const char *at = argv[1]; *at; at++)
		obey(*at);
	while (cassin_read(&letter, 1) == 1)
		obey(letter);
	cassin_print("no more\n");
	while (argc == 3)
		cassin_sleep_until(cassin_now() + 1000 * MS);
}

static const struct property all[] = {
	{"obeys", obeys},
};

PROPERTIES(all)
