/* SPDX-License-Identifier: MIT */
/* A guest that holds as much as it may: thousands of pipes to itself, with operations that wait on them, and timers. argv[1]: what it
 * does with them, argv[2]: how many pipes. */
#include "check.h"

#define PORT 7
#define PAIRS_MOST 8000u
#define RECEIVES_MOST 3000u
#define TIMERS 500u
#define TAG_TIMER UINT64_C(1000000)
#define TAG_SEND UINT64_C(2000000)

static int32_t near[PAIRS_MOST], far[PAIRS_MOST];
static char bytes[PAIRS_MOST];
static unsigned pairs, receives;

/* One connects and one accepts; the tag says which handle is whose. */
static void open_pair(unsigned i, const char *to, int32_t listener)
{
	start_op(1, CASSIN_OP_CONNECT, 0, to, (uint32_t)strlen(to), 0);
	start_op(2, CASSIN_OP_ACCEPT, listener, NULL, 0, 0);
	for (int n = 0; n < 2; n++) {
		struct cassin_cqe cqe = await_any();
		CHECK(cqe.result >= 0);
		(cqe.user_data == 1 ? near : far)[i] = cqe.result;
	}
}

static void open_all(void)
{
	char to[80];
	cassin_format(to, sizeof to, "%s:%d", cassin_name(), PORT);
	int32_t listener = do_op(CASSIN_OP_LISTEN, 0, 0, 0, PORT);
	CHECK(listener >= 0);
	for (unsigned i = 0; i < pairs; i++)
		open_pair(i, to, listener);
	receives = pairs < RECEIVES_MOST ? pairs : RECEIVES_MOST;
	for (unsigned i = 0; i < receives; i++) {
		start_op(i, CASSIN_OP_RECV, near[i], &bytes[i], 1, 0);
	}
	uint64_t at = cassin_now() + 50 * MS;
	for (unsigned i = 0; i < TIMERS; i++) {
		start_op(TAG_TIMER + i, CASSIN_OP_TIMEOUT, 0, NULL, 0, at + i * MS / 4);
	}
	CHECK_IS(cassin_wait(0, CASSIN_NOW), 0);
}

/* Each timer fires, and each byte that is sent is received: once. */
static void use_all(void)
{
	static bool timed[TIMERS], received[RECEIVES_MOST];
	unsigned sent = 0, timers = 0, got = 0, confirmed = 0;
	while (timers < TIMERS || got < receives || confirmed < receives) {
		for (unsigned n = 0; sent < receives && n < 64; n++, sent++) {
			start_op(TAG_SEND + sent, CASSIN_OP_SEND, far[sent], "x", 1, 0);
		}
		struct cassin_cqe cqe = await_any();
		do {
			if (cqe.user_data >= TAG_SEND) {
				CHECK_IS(cqe.result, 1);
				confirmed++;
			} else if (cqe.user_data >= TAG_TIMER) {
				CHECK_IS(cqe.result, 0);
				CHECK(!timed[cqe.user_data - TAG_TIMER]);
				timed[cqe.user_data - TAG_TIMER] = true;
				timers++;
			} else {
				CHECK_IS(cqe.result, 1);
				CHECK(!received[cqe.user_data]);
				received[cqe.user_data] = true;
				got++;
			}
		} while (cassin_next(&cqe));
	}
	for (unsigned i = 0; i < receives; i++)
		CHECK_IS(bytes[i], 'x');
}

static void begin(int argc, char **argv)
{
	CHECK(argc > 1);
	pairs = (unsigned)cassin_parse(argv[1], strlen(argv[1]));
	CHECK(pairs <= PAIRS_MOST);
	CHECK_IS(cassin_ring_init(256, CASSIN_CQ_MAX), 0);
	open_all();
	cassin_print("open\n");
}

/* Computes with all of it open for a while, then uses it. */
static void spins(int argc, char **argv)
{
	begin(argc, argv);
	uint64_t end = cassin_virtual() + 300 * MS;
	while (cassin_virtual() < end)
		;
	use_all();
}

static void hogs(int argc, char **argv)
{
	begin(argc, argv);
	for (;;)
		__asm__ volatile("pause");
}

static void waits(int argc, char **argv)
{
	begin(argc, argv);
	for (;;)
		cassin_sleep_until(CASSIN_FOREVER);
}

/* Ends as soon as all is open. */
static void exits(int argc, char **argv)
{
	begin(argc, argv);
	cassin_exit(5);
}

static const struct property all[] = {{"spin", spins}, {"hog", hogs}, {"wait", waits}, {"exit", exits}};

PROPERTIES(all)
