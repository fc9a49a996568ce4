/* SPDX-License-Identifier: MIT */
/* Streams and the console for threads. The other ends are threads of this guest, or the test's. */
#include "check.h"
#include "kernel_check.h"

#define PORT 7
#define PAIRS 40u
#define LARGE (3u << 20)

struct ends {
	struct cassin_stream here, there;
};

static int32_t listener = -1;

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

static const char *own_address(void)
{
	static char text[80];
	cassin_format(text, sizeof text, "%s:%d", cassin_name(), PORT);
	return text;
}

static int accepts(void *arg)
{
	return cassin_stream_accept(arg, listener, CASSIN_FOREVER);
}

static void join_ends(struct ends *e)
{
	if (listener < 0)
		listener = cassin_listen(PORT);
	CHECK(listener >= 0);
	struct cassin_thread *t = start(NULL, accepts, &e->there);
	CHECK_IS(cassin_stream_connect(&e->here, own_address(), CASSIN_FOREVER), 0);
	CHECK_IS(ended(t), 0);
}

/* ---- Receiving ---- */

static int receives_two(void *arg)
{
	struct cassin_stream *s = arg;
	char bytes[8];
	for (unsigned i = 0; i < 2; i++) {
		CHECK_IS(cassin_stream_receive(s, bytes, sizeof bytes, CASSIN_FOREVER), 1);
		say(*bytes);
	}
	CHECK_IS(cassin_stream_receive(s, bytes, sizeof bytes, CASSIN_FOREVER), 0);
	return 0;
}

/* Each gets what is its own, whichever comes first. */
static void two_threads_two_sockets(int argc, char **argv)
{
	struct ends a, b;
	(void)argc;
	(void)argv;
	join_ends(&a);
	join_ends(&b);
	struct cassin_thread *one = start(NULL, receives_two, &a.there), *two = start(NULL, receives_two, &b.there);
	struct cassin_stream *order[] = {&b.here, &a.here, &a.here, &b.here};
	for (unsigned i = 0; i < 4; i++) {
		CHECK_IS(cassin_stream_send(order[i], &"badc"[i], 1, CASSIN_FOREVER), 0);
		while (nspoken == i)
			cassin_sleep(MS);
	}
	said("badc");
	cassin_stream_shutdown(&a.here);
	cassin_stream_close(&b.here);
	CHECK_IS(ended(one) + ended(two), 0);
}

/* A receive that gave up has taken nothing. */
static void receive_deadline(int argc, char **argv)
{
	struct ends e;
	char bytes[8];
	(void)argc;
	(void)argv;
	join_ends(&e);
	CHECK_IS(cassin_stream_receive(&e.there, bytes, sizeof bytes, CASSIN_NOW), -CASSIN_ETIMEDOUT);
	uint64_t when = cassin_after(5 * MS);
	CHECK_IS(cassin_stream_receive(&e.there, bytes, sizeof bytes, when), -CASSIN_ETIMEDOUT);
	CHECK(cassin_now() + MS / 5 >= when);
	CHECK_IS(cassin_stream_send(&e.here, "later", 5, CASSIN_FOREVER), 0);
	cassin_sleep(5 * MS);
	CHECK_IS(cassin_stream_receive(&e.there, bytes, 3, CASSIN_NOW), 3);
	CHECK_IS(cassin_stream_receive(&e.there, bytes, sizeof bytes, cassin_after(1000 * MS)), 2);
	struct cassin_stream none;
	CHECK_IS(cassin_stream_accept(&none, listener, cassin_after(MS)), -CASSIN_ETIMEDOUT);
	CHECK(!cassin_stopping());
}

static int receives_until_cancelled(void *arg)
{
	char byte;
	return cassin_stream_receive(arg, &byte, 1, CASSIN_FOREVER);
}

static void close_wakes_receivers(int argc, char **argv)
{
	struct ends e;
	(void)argc;
	(void)argv;
	join_ends(&e);
	struct cassin_thread *t = start(NULL, receives_until_cancelled, &e.there);
	cassin_sleep(2 * MS);
	cassin_stream_close(&e.there);
	cassin_stream_close(&e.there);
	CHECK_IS(ended(t), -CASSIN_ECANCELED);
	CHECK_IS(receives_until_cancelled(&e.there), -CASSIN_EBADF);
	CHECK_IS(cassin_stream_send(&e.there, "x", 1, CASSIN_FOREVER), -CASSIN_EBADF);
	cassin_stream_shutdown(&e.there);
	int r = 0; /* the other end learns of it, at the latest when it sends */
	for (unsigned i = 0; i < 1000 && !r; i++)
		r = cassin_stream_send(&e.here, "x", 1, cassin_after(1000 * MS));
	CHECK(r == -CASSIN_EPIPE || r == -CASSIN_ECONNRESET);
}

static void bad_connects(int argc, char **argv)
{
	struct cassin_stream s;
	char text[80];
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_stream_connect(&s, "nobody:7", CASSIN_FOREVER), -CASSIN_ENOENT);
	CHECK_IS(s.handle, -1);
	cassin_format(text, sizeof text, "%s:9", cassin_name());
	CHECK_IS(cassin_stream_connect(&s, text, CASSIN_FOREVER), -CASSIN_ECONNREFUSED);
	cassin_stream_close(&s);
	CHECK_IS(cassin_listen(0), -CASSIN_EINVAL);
	CHECK_IS(cassin_stream_accept(&s, 77, CASSIN_FOREVER), -CASSIN_EBADF);
}

/* ---- Sending ---- */

static int sends_large(void *arg)
{
	struct cassin_stream *s = arg;
	uint8_t *bytes = cassin_alloc(LARGE);
	CHECK(bytes);
	for (uint64_t i = 0; i < LARGE; i++)
		bytes[i] = pattern(i);
	/* In pieces of all sizes: copied, waited for, longer than an operation may be. */
	size_t at = 0;
	for (size_t n = 1; n < 150000; n = n * 3 / 2 + 1) {
		CHECK_IS(cassin_stream_send(s, bytes + at, n, CASSIN_FOREVER), 0);
		memset(bytes + at, 0, n);
		at += n;
	}
	CHECK_IS(cassin_stream_send(s, bytes + at, LARGE - at, CASSIN_FOREVER), 0);
	CHECK(LARGE - at > CASSIN_IO_MAX);
	CHECK_IS(cassin_stream_send(s, bytes, 0, CASSIN_FOREVER), 0);
	cassin_stream_close(s);
	cassin_free(bytes);
	return 0;
}

static int says_x(void *arg)
{
	(void)arg;
	say('x');
	return 0;
}

static void large_sends(int argc, char **argv)
{
	struct ends e;
	static uint8_t bytes[10000];
	uint64_t total = 0;
	int32_t n;
	(void)argc;
	(void)argv;
	join_ends(&e);
	struct cassin_thread *t = start(NULL, sends_large, &e.here);
	while ((n = cassin_stream_receive(&e.there, bytes, sizeof bytes, CASSIN_FOREVER)) > 0) {
		for (int32_t i = 0; i < n; i++)
			CHECK_IS(bytes[i], pattern(total + (uint64_t)i));
		total += (uint64_t)n;
	}
	CHECK_IS(n, 0);
	CHECK_IS(total, LARGE);
	CHECK_IS(ended(t), 0);
	/* Nobody is thought to be in the kernel still, after so many waits in it. */
	t = start(NULL, says_x, NULL);
	cassin_thread_preempt();
	said("x");
	CHECK_IS(ended(t), 0);
}

/* A peer that does not read: sends stop at a bounded amount, and a deadline ends them. */
static void peer_does_not_read(int argc, char **argv)
{
	static char bytes[60000];
	struct ends e;
	unsigned n = 0;
	int r;
	(void)argc;
	(void)argv;
	join_ends(&e);
	size_t before = cassin_heap_used();
	while (!(r = cassin_stream_send(&e.here, bytes, sizeof bytes, cassin_after(20 * MS))))
		CHECK(n++ < 1000);
	CHECK_IS(r, -CASSIN_ETIMEDOUT);
	CHECK(n > 2);
	CHECK_IS(cassin_heap_used(), before);
}

/* ---- Many ---- */

static int echoes(void *arg)
{
	struct cassin_stream *s = arg;
	char bytes[64];
	int32_t n;
	while ((n = cassin_stream_receive(s, bytes, sizeof bytes, CASSIN_FOREVER)) > 0)
		CHECK_IS(cassin_stream_send(s, bytes, (size_t)n, CASSIN_FOREVER), 0);
	cassin_stream_close(s);
	return n;
}

static int asks(void *arg)
{
	struct cassin_stream *s = arg;
	for (uint64_t i = 0; i < 20; i++) {
		uint64_t answer = 0, question = (uint64_t)arg * 1000 + i;
		CHECK_IS(cassin_stream_send(s, &question, sizeof question, CASSIN_FOREVER), 0);
		CHECK_IS(cassin_stream_receive(s, &answer, sizeof answer, CASSIN_FOREVER), sizeof answer);
		CHECK_IS(answer, question);
	}
	cassin_stream_close(s);
	return 0;
}

static void ask_all(void)
{
	static struct ends e[PAIRS];
	struct cassin_thread *t[2 * PAIRS];
	struct cassin_thread_options small = {.stack_size = 8192};
	for (unsigned i = 0; i < PAIRS; i++) {
		join_ends(&e[i]);
		t[i] = start(&small, echoes, &e[i].there);
	}
	for (unsigned i = 0; i < PAIRS; i++)
		t[PAIRS + i] = start(&small, asks, &e[i].here);
	for (unsigned i = 0; i < 2 * PAIRS; i++)
		CHECK_IS(ended(t[i]), 0);
}

/*
 * 80 threads, 800 questions and answers in 80 operations for each pair. However badly they meet, a wait ends with a receive that has
 * completed, of which there are 40 for each pair (and its beginning and end); the others are the looks that busy threads take.
 */
static void many(int argc, char **argv)
{
	enum { LOOK_NS = 200000 }; /* at the least; see the kernel's POLL_TICKS */
	struct cassin_info before, after;
	uint64_t began = cassin_now();
	(void)argc;
	(void)argv;
	cassin_info(&before);
	ask_all();
	cassin_info(&after);
	CHECK(after.hypercalls - before.hypercalls < 50 * PAIRS + (cassin_now() - began) / LOOK_NS);
}

/* More receives than the rings have room for are refused; sends get through all the same. */
static void more_than_the_ring(int argc, char **argv)
{
	enum { ROOM = 12, MORE = ROOM + 2 };
	static struct ends e[MORE];
	struct cassin_thread *t[ROOM];
	char bytes[8];
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_ring_init(8, 16), 0);
	for (unsigned i = 0; i < MORE; i++)
		join_ends(&e[i]);
	for (unsigned i = 0; i < ROOM; i++)
		t[i] = start(NULL, receives_until_cancelled, &e[i].there);
	cassin_sleep(MS);
	CHECK_IS(cassin_stream_receive(&e[ROOM].there, bytes, 1, CASSIN_FOREVER), -CASSIN_EAGAIN);
	for (unsigned i = 0; i < MORE; i++)
		CHECK_IS(cassin_stream_send(&e[i].here, "text", 4, CASSIN_FOREVER), 0);
	for (unsigned i = 0; i < ROOM; i++)
		CHECK_IS(ended(t[i]), 1);
	CHECK_IS(cassin_stream_receive(&e[ROOM].there, bytes, 8, CASSIN_FOREVER), 4);
}

/* ---- Services for the test's own clients ---- */

static void serve(void)
{
	struct cassin_thread_options o = {.detached = 1};
	listener = cassin_listen(PORT);
	CHECK(listener >= 0);
	cassin_print("listening\n");
	cassin_ready();
	for (;;) {
		struct cassin_stream *s = cassin_zalloc(1, sizeof *s);
		int r = s ? cassin_stream_accept(s, listener, CASSIN_FOREVER) : -CASSIN_ENOMEM;
		if (r == -CASSIN_ECANCELED)
			return;
		CHECK_IS(r, 0);
		start(&o, echoes, s);
	}
}

static void says_goodbye(void *arg)
{
	cassin_print("%s\n", (const char *)arg);
}

/* Echoes until it is asked to stop. */
static void service(int argc, char **argv)
{
	struct cassin_stop_hook hook = {says_goodbye, "goodbye", NULL};
	(void)argc;
	(void)argv;
	cassin_stop_hook(&hook);
	serve();
	CHECK(cassin_stopping());
	CHECK_IS(cassin_stop_run(), 0);
}

/* ---- The console ---- */

static void lines(int argc, char **argv)
{
	char line[8];
	int32_t n;
	(void)argc;
	(void)argv;
	CHECK_IS(cassin_console_line(line, 0, CASSIN_FOREVER), -CASSIN_EINVAL);
	CHECK_IS(cassin_console_line(line, sizeof line, CASSIN_NOW), -CASSIN_ETIMEDOUT);
	CHECK_IS(cassin_console_line(line, sizeof line, cassin_after(2 * MS)), -CASSIN_ETIMEDOUT);
	cassin_print("waiting\n");
	while ((n = cassin_console_line(line, sizeof line, CASSIN_FOREVER)) > 0)
		cassin_print("%d<%.*s>", (int)n, (int)n, line);
	CHECK_IS(n, 0);
	CHECK_IS(cassin_console_line(line, sizeof line, CASSIN_FOREVER), 0);
	cassin_print("the end\n");
}

static int reads_late(void *arg)
{
	char line[80];
	(void)arg;
	cassin_stop_wait(CASSIN_FOREVER);
	int32_t n = cassin_console_line(line, sizeof line, CASSIN_FOREVER);
	cassin_print("kept %.*s", (int)n, line);
	return 0;
}

/* The end of input is a request to stop for a guest that says so. */
static void stop_at_end(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	cassin_stop_at_console_end();
	struct cassin_thread *t = start(NULL, reads_late, NULL);
	cassin_print("waiting\n");
	CHECK_IS(cassin_stop_run(), 0);
	CHECK_IS(ended(t), 0);
}

static const struct property all[] = {
	{"two-sockets", two_threads_two_sockets},
	{"receive-deadline", receive_deadline},
	{"close-wakes", close_wakes_receivers},
	{"bad-connects", bad_connects},
	{"large-sends", large_sends},
	{"peer-does-not-read", peer_does_not_read},
	{"many", many},
	{"more-than-the-ring", more_than_the_ring},
	{"service", service},
	{"lines", lines},
	{"stop-at-end", stop_at_end},
};
PROPERTIES(all)
