/* SPDX-License-Identifier: MIT */
/* Streams: between guests by name, from the host, and all that goes wrong with them. */
#include "check.h"

#define PORT 7
#define CHUNK 10000u
#define UNREAD 60000

static uint8_t buffer[CHUNK];

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

static int32_t listen_on(uint64_t port)
{
	return do_op(CASSIN_OP_LISTEN, 0, 0, 0, port);
}

static int32_t connect_to(const char *target)
{
	return do_op(CASSIN_OP_CONNECT, 0, (uint64_t)target, (uint32_t)strlen(target), 0);
}

static int32_t accept_on(int32_t listener)
{
	return do_op(CASSIN_OP_ACCEPT, listener, 0, 0, 0);
}

static int32_t receive(int32_t h, void *to, uint32_t len)
{
	return do_op(CASSIN_OP_RECV, h, (uint64_t)to, len, 0);
}

static int32_t transmit(int32_t h, const void *from, uint32_t len)
{
	return do_op(CASSIN_OP_SEND, h, (uint64_t)from, len, 0);
}

static int32_t finish(int32_t h)
{
	return do_op(CASSIN_OP_SHUTDOWN, h, 0, 0, 0);
}

static int32_t close_it(int32_t h)
{
	return do_op(CASSIN_OP_CLOSE, h, 0, 0, 0);
}

/* Waits while the other guest is not up yet. */
static int32_t connect_patiently(const char *target)
{
	int32_t h = -CASSIN_ENOENT;
	for (int i = 0; i < 500; i++) {
		h = connect_to(target);
		if (h != -CASSIN_ENOENT && h != -CASSIN_ECONNREFUSED)
			break;
		cassin_sleep_until(cassin_now() + 10 * MS);
	}
	CHECK(h >= 0);
	return h;
}

/* Reads to the end of the stream and checks the pattern. Bytes. */
static uint64_t drain(int32_t h)
{
	uint64_t total = 0;
	int32_t n;
	while ((n = receive(h, buffer, CHUNK)) > 0) {
		for (int32_t i = 0; i < n; i++)
			CHECK_IS(buffer[i], pattern(total + (uint64_t)i));
		total += (uint64_t)n;
	}
	CHECK_IS(n, 0);
	return total;
}

/* Serves argv[1] connections, one after the other: takes all, then says how much it was. */
static void server(int argc, char **argv)
{
	uint64_t n = argc > 1 ? (uint64_t)cassin_parse(argv[1], strlen(argv[1])) : 1;
	int32_t listener = listen_on(PORT);
	CHECK(listener >= 0);
	CHECK_IS(listen_on(PORT), -CASSIN_EADDRINUSE);
	cassin_ready();
	cassin_print("listening\n");
	while (n--) {
		int32_t h = accept_on(listener);
		CHECK(h >= 0);
		uint64_t total = drain(h);
		CHECK_IS(transmit(h, &total, sizeof total), sizeof total); /* the other direction is still open */
		CHECK_IS(close_it(h), 0);
	}
}

/* Sends argv[2] bytes to argv[1] and checks the answer. */
static void client(int argc, char **argv)
{
	CHECK(argc > 2);
	uint64_t size = (uint64_t)cassin_parse(argv[2], strlen(argv[2])), answer = 0;
	int32_t h = connect_patiently(argv[1]);
	uint8_t *bytes = cassin_alloc(size + 1);
	CHECK(bytes);
	for (uint64_t i = 0; i < size; i++)
		bytes[i] = pattern(i);
	for (uint64_t at = 0; at < size; at += CASSIN_IO_MAX) {
		uint32_t n = size - at < CASSIN_IO_MAX ? (uint32_t)(size - at) : CASSIN_IO_MAX;
		CHECK_IS(transmit(h, bytes + at, n), n);
	}
	CHECK_IS(finish(h), 0);
	CHECK_IS(receive(h, &answer, sizeof answer), sizeof answer);
	CHECK_IS(answer, size);
	CHECK_IS(receive(h, &answer, sizeof answer), 0);
	CHECK(transmit(h, &answer, 1) < 0);
	CHECK_IS(close_it(h), 0);
}

/* argv[1]: NAME:PORT where nobody listens; argv[2]: the code expected. */
static void refused(int argc, char **argv)
{
	CHECK(argc > 2);
	CHECK_IS(connect_to(argv[1]), -cassin_parse(argv[2], strlen(argv[2])));
}

static void bad_names(int argc, char **argv)
{
	static const char *const names[] = {"nobody:7",
					    "nobody",
					    ":7",
					    "nobody:",
					    ":",
					    "streams:0",
					    "streams:65536",
					    "streams:-7",
					    "streams:7x",
					    "streams: 7",
					    "streams:99999999999999999999",
					    "../../etc/passwd",
					    "/tmp/x",
					    "tcp:127.0.0.1:22",
					    "unix:/run/x",
					    "\n",
					    "a\0b:7"};
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		int32_t r = connect_to(names[i]);
		CHECK(r == -CASSIN_ENOENT || r == -CASSIN_EINVAL);
	}
	int32_t r = do_op(CASSIN_OP_CONNECT, 0, (uint64_t) "", 0, 0);
	CHECK(r == -CASSIN_ENOENT || r == -CASSIN_EINVAL);
	memset(buffer, 'n', CHUNK);
	r = do_op(CASSIN_OP_CONNECT, 0, (uint64_t)buffer, CHUNK, 0);
	CHECK(r == -CASSIN_ENOENT || r == -CASSIN_EINVAL);
	CHECK_IS(listen_on(0), -CASSIN_EINVAL);
	CHECK_IS(listen_on(65536), -CASSIN_EINVAL);
	CHECK_IS(listen_on(UINT64_C(1) << 32 | PORT), -CASSIN_EINVAL);
	CHECK(listen_on(65535) >= 0);
}

/* Two ends, both this guest's, and the listener. */
static int32_t pair(int32_t ends[2])
{
	char text[80];
	int n = cassin_format(text, sizeof text, "%s:%d", cassin_name(), PORT);
	int32_t listener = listen_on(PORT);
	CHECK(listener >= 0);
	start_op(1, CASSIN_OP_ACCEPT, listener, NULL, 0, 0);
	start_op(2, CASSIN_OP_CONNECT, 0, text, (uint32_t)n, 0);
	for (int i = 0; i < 2; i++) {
		struct cassin_cqe cqe = await_any();
		CHECK(cqe.result >= 0);
		ends[cqe.user_data - 1] = cqe.result;
	}
	return listener;
}

static void bad_handles(int argc, char **argv)
{
	static const int32_t none[] = {-1, 3, 1000, 1024, 65536, INT32_MAX, INT32_MIN};
	int32_t ends[2], listener = pair(ends);
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
		CHECK_IS(receive(none[i], buffer, 1), -CASSIN_EBADF);
		CHECK_IS(transmit(none[i], buffer, 1), -CASSIN_EBADF);
		CHECK_IS(accept_on(none[i]), -CASSIN_EBADF);
		CHECK_IS(finish(none[i]), -CASSIN_EBADF);
		CHECK_IS(close_it(none[i]), -CASSIN_EBADF);
	}
	CHECK_IS(receive(listener, buffer, 1), -CASSIN_EBADF);
	CHECK_IS(transmit(listener, buffer, 1), -CASSIN_EBADF);
	CHECK_IS(finish(listener), -CASSIN_EBADF);
	CHECK_IS(accept_on(ends[0]), -CASSIN_EBADF);
	CHECK_IS(close_it(ends[0]), 0);
	CHECK_IS(receive(ends[0], buffer, 1), -CASSIN_EBADF);
	CHECK_IS(close_it(ends[0]), -CASSIN_EBADF);
	CHECK_IS(receive(ends[1], buffer, 1), 0); /* the other end sees the end */
	CHECK_IS(close_it(ends[1]), 0);
	CHECK_IS(close_it(listener), 0);
	CHECK_IS(listen_on(PORT), 0); /* the lowest handle and the port are free */
}

static void half_close(int argc, char **argv)
{
	int32_t ends[2];
	(void)argc;
	(void)argv;
	pair(ends);
	CHECK_IS(transmit(ends[0], "abc", 3), 3);
	CHECK_IS(finish(ends[0]), 0);
	CHECK(transmit(ends[0], "x", 1) < 0);
	CHECK_IS(receive(ends[1], buffer, CHUNK), 3);
	CHECK_IS(receive(ends[1], buffer, CHUNK), 0);
	CHECK_IS(transmit(ends[1], "defg", 4), 4);
	CHECK_IS(receive(ends[0], buffer, CHUNK), 4);
	CHECK_IS(memcmp(buffer, "defg", 4), 0);
	CHECK_IS(close_it(ends[1]), 0);
	CHECK_IS(receive(ends[0], buffer, CHUNK), 0);
}

static void close_cancels(int argc, char **argv)
{
	int32_t ends[2], listener = pair(ends), result[4] = {1, 1, 1, 1};
	(void)argc;
	(void)argv;
	start_op(1, CASSIN_OP_RECV, ends[0], buffer, 8, 0);
	start_op(2, CASSIN_OP_ACCEPT, listener, NULL, 0, 0);
	CHECK_IS(cassin_wait(0, 0), 0);
	start_op(3, CASSIN_OP_CLOSE, ends[0], NULL, 0, 0);
	start_op(0, CASSIN_OP_CLOSE, listener, NULL, 0, 0);
	for (int i = 0; i < 4; i++) {
		struct cassin_cqe cqe = await_any();
		result[cqe.user_data] = cqe.result;
	}
	CHECK_IS(result[1], -CASSIN_ECANCELED);
	CHECK_IS(result[2], -CASSIN_ECANCELED);
	CHECK_IS(result[3], 0);
	CHECK_IS(result[0], 0);
}

/* CLOSE takes effect after the sends before it, though they are not complete. */
static void close_after_sends(int argc, char **argv)
{
	enum { SIZE = 512 << 10 };
	int32_t ends[2];
	(void)argc;
	(void)argv;
	pair(ends);
	uint8_t *bytes = cassin_alloc(SIZE);
	CHECK(bytes);
	for (uint64_t i = 0; i < SIZE; i++)
		bytes[i] = pattern(i);
	start_op(1, CASSIN_OP_SEND, ends[0], bytes, SIZE, 0);
	start_op(2, CASSIN_OP_CLOSE, ends[0], NULL, 0, 0);
	CHECK_IS(cassin_wait(0, 0), 0);
	uint64_t total = 0;
	int32_t result[3] = {0, 1, 1};
	for (bool end = false; !end;) {
		start_op(3, CASSIN_OP_RECV, ends[1], buffer, CHUNK, 0);
		struct cassin_cqe cqe = await_any();
		while (cqe.user_data != 3) {
			result[cqe.user_data] = cqe.result;
			cqe = await_any();
		}
		CHECK(cqe.result >= 0);
		for (int32_t i = 0; i < cqe.result; i++)
			CHECK_IS(buffer[i], pattern(total + (uint64_t)i));
		total += (uint64_t)cqe.result;
		end = !cqe.result;
	}
	CHECK_IS(total, SIZE);
	while (result[1] == 1 || result[2] == 1) {
		struct cassin_cqe cqe = await_any();
		result[cqe.user_data] = cqe.result;
	}
	CHECK_IS(result[1], SIZE);
	CHECK_IS(result[2], 0);
}

/* With SKIP_SUCCESS the buffer is free at once: the hypervisor has taken or copied it. */
static void sends_without_completion(int argc, char **argv)
{
	enum { SIZE = 65536, TIMES = 6 };
	int32_t ends[2];
	struct cassin_sqe *sqe;
	(void)argc;
	(void)argv;
	pair(ends);
	uint8_t *bytes = cassin_alloc(SIZE + 1);
	CHECK(bytes);
	for (unsigned k = 0; k < TIMES; k++) {
		for (uint64_t i = 0; i < SIZE; i++)
			bytes[i] = pattern(k * SIZE + i);
		sqe = cassin_sqe(CASSIN_OP_SEND, 1);
		sqe->flags = CASSIN_SQE_SKIP_SUCCESS;
		sqe->handle = ends[0];
		sqe->addr = (uint64_t)bytes;
		sqe->len = SIZE;
		CHECK_IS(cassin_wait(0, 0), 0);
		memset(bytes, 0, SIZE);
	}
	sqe = cassin_sqe(CASSIN_OP_SHUTDOWN, 1);
	sqe->flags = CASSIN_SQE_SKIP_SUCCESS;
	sqe->handle = ends[0];
	CHECK_IS(drain(ends[1]), SIZE * TIMES);
	sqe = cassin_sqe(CASSIN_OP_SEND, 2);
	sqe->flags = CASSIN_SQE_SKIP_SUCCESS;
	sqe->handle = ends[1];
	sqe->addr = (uint64_t)bytes;
	sqe->len = SIZE + 1;
	CHECK_IS(await(2), -CASSIN_EINVAL);
}

/* Opens without end: the limit of argv[1] handles holds, and closing one makes room for one. */
static void opens_without_end(int argc, char **argv)
{
	CHECK(argc > 1);
	int32_t most = (int32_t)cassin_parse(argv[1], strlen(argv[1])), h;
	for (int32_t i = 0; (h = listen_on((uint64_t)i + 1)) >= 0; i++)
		CHECK_IS(h, i);
	CHECK_IS(h, -CASSIN_EMFILE);
	CHECK_IS(close_it(most / 2), 0);
	CHECK_IS(listen_on(60000), most / 2);
	char text[80];
	cassin_format(text, sizeof text, "%s:1", cassin_name());
	CHECK_IS(connect_to(text), -CASSIN_EMFILE);
	CHECK_IS(close_it(most - 1), 0);
	CHECK_IS(listen_on(60001), most - 1);
	CHECK_IS(listen_on(60002), -CASSIN_EMFILE);
}

/* Connects to itself until it may not, and never accepts. */
static void connects_without_end(int argc, char **argv)
{
	char text[80];
	int32_t r = 0, n = 0;
	(void)argc;
	(void)argv;
	cassin_format(text, sizeof text, "%s:%d", cassin_name(), PORT);
	CHECK(listen_on(PORT) >= 0);
	while (r >= 0 && n < 100000) {
		start_op(1, CASSIN_OP_CONNECT, 0, text, (uint32_t)strlen(text), 0);
		CHECK_IS(cassin_wait(1, cassin_now() + 500 * MS), 0);
		struct cassin_cqe cqe;
		if (!cassin_next(&cqe))
			break; /* the listener's queue is full */
		r = cqe.result;
		n++;
	}
	CHECK(r >= 0 || r == -CASSIN_EMFILE || r == -CASSIN_ECONNREFUSED || r == -CASSIN_EAGAIN);
	CHECK(n < 100000);
	cassin_print("%d connections, then %d\n", n, r);
}

/* No handle is free for a connection that has come. argv[1]: the limit. */
static void accepts_without_end(int argc, char **argv)
{
	CHECK(argc > 1);
	int32_t most = (int32_t)cassin_parse(argv[1], strlen(argv[1])), ends[2], listener = pair(ends), r = 0;
	for (uint64_t port = 100; r >= 0; port++)
		r = listen_on(port);
	CHECK_IS(r, -CASSIN_EMFILE);
	CHECK_IS(close_it(most - 1), 0);
	char text[80];
	int n = cassin_format(text, sizeof text, "%s:%d", cassin_name(), PORT);
	start_op(1, CASSIN_OP_CONNECT, 0, text, (uint32_t)n, 0); /* takes the last one */
	CHECK_IS(cassin_wait(0, 0), 0);
	start_op(2, CASSIN_OP_ACCEPT, listener, NULL, 0, 0);
	int32_t result[3] = {0};
	for (int i = 0; i < 2; i++) {
		struct cassin_cqe cqe = await_any();
		result[cqe.user_data] = cqe.result;
	}
	CHECK(result[1] == most - 1 || result[1] == -CASSIN_ECONNREFUSED);
	CHECK_IS(result[2], -CASSIN_EMFILE);
}

/* Takes one connection and never reads from it. */
static void ignores(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	int32_t listener = listen_on(PORT);
	CHECK(accept_on(listener) >= 0);
	cassin_print("accepted\n");
	cassin_sleep_until(cassin_now() + 3600 * 1000 * MS);
}

/* Its peer is killed while it sends: an error, no more. */
static void sends_to_the_dead(int argc, char **argv)
{
	CHECK(argc > 1);
	int32_t h = connect_patiently(argv[1]), r;
	uint8_t *bytes = cassin_zalloc(1, CASSIN_IO_MAX);
	CHECK(bytes);
	while ((r = transmit(h, bytes, CASSIN_IO_MAX)) >= 0) {
	}
	CHECK(r == -CASSIN_EPIPE || r == -CASSIN_ECONNRESET);
	r = receive(h, bytes, 1);
	CHECK(r == 0 || r == -CASSIN_ECONNRESET);
}

/* Leaves 60,000 bytes in each of 3 connections, which nobody reads, and ends. */
static void leaves_unread(int argc, char **argv)
{
	CHECK(argc > 2);
	uint64_t n = (uint64_t)cassin_parse(argv[2], strlen(argv[2]));
	uint8_t *bytes = cassin_zalloc(1, UNREAD);
	CHECK(bytes);
	for (uint64_t i = 0; i < UNREAD; i++)
		bytes[i] = pattern(i);
	for (uint64_t i = 0; i < n; i++)
		CHECK_IS(transmit(connect_patiently(argv[1]), bytes, UNREAD), UNREAD);
}

/* Takes connections without reading from them, until input comes. Then reads what those that have gone have left: argv[1]
 * connections. */
static void reads_later(int argc, char **argv)
{
	CHECK(argc > 1);
	int64_t n = cassin_parse(argv[1], strlen(argv[1]));
	int32_t listener = listen_on(PORT), whole = 0, lost = 0;
	uint8_t *bytes = cassin_zalloc(1, UNREAD);
	CHECK(bytes && n <= 64);
	int32_t h[64];
	for (int64_t i = 0; i < n; i++)
		CHECK((h[i] = accept_on(listener)) >= 0);
	cassin_print("accepted\n");
	CHECK_IS(do_op(CASSIN_OP_CONSOLE_READ, 0, (uint64_t)buffer, 1, 0), 1);
	for (int64_t i = 0; i < n; i++) {
		uint32_t got = 0;
		int32_t r;
		while ((r = receive(h[i], bytes, UNREAD)) > 0) {
			for (int32_t k = 0; k < r; k++)
				CHECK_IS(bytes[k], pattern(got + (uint32_t)k));
			got += (uint32_t)r;
		}
		CHECK(r == 0 ? got == UNREAD : r == -CASSIN_ECONNRESET && !got);
		whole += r == 0;
		lost += r != 0;
	}
	cassin_print("%d whole, %d lost\n", whole, lost);
	cassin_exit(lost != 0);
}

/* Opens argv[1] handles and closes them. */
static void closes_again(int argc, char **argv)
{
	CHECK(argc > 1);
	int32_t n = (int32_t)cassin_parse(argv[1], strlen(argv[1]));
	for (int32_t i = 0; i < n; i++)
		CHECK_IS(listen_on((uint64_t)i + 1), i);
	for (int32_t i = 0; i < n; i++)
		CHECK_IS(close_it(i), 0);
	cassin_print("closed\n");
	CHECK_IS(do_op(CASSIN_OP_CONSOLE_READ, 0, (uint64_t)buffer, 1, 0), 1);
}

/* Leaves connections in the queues of argv[1] listeners of its own, which accept none. */
static void leaves_queued(int argc, char **argv)
{
	char text[80];
	int32_t n = 0, h;
	CHECK(argc > 1);
	for (int64_t port = 1; port <= cassin_parse(argv[1], strlen(argv[1])); port++) {
		cassin_format(text, sizeof text, "%s:%d", cassin_name(), (int)port);
		CHECK(listen_on((uint64_t)port) >= 0);
		for (; (h = connect_to(text)) >= 0; n++)
			CHECK_IS(close_it(h), 0);
		CHECK_IS(h, -CASSIN_ECONNREFUSED);
	}
	cassin_print("%d left\n", n);
	CHECK_IS(do_op(CASSIN_OP_CONSOLE_READ, 0, (uint64_t)buffer, 1, 0), 1);
}

static const struct property all[] = {
	{"server", server},
	{"client", client},
	{"refused", refused},
	{"bad-names", bad_names},
	{"bad-handles", bad_handles},
	{"half-close", half_close},
	{"close-cancels", close_cancels},
	{"close-after-sends", close_after_sends},
	{"skip-success", sends_without_completion},
	{"open-without-end", opens_without_end},
	{"connect-without-end", connects_without_end},
	{"accept-without-end", accepts_without_end},
	{"ignore", ignores},
	{"send-to-the-dead", sends_to_the_dead},
	{"leave-unread", leaves_unread},
	{"read-later", reads_later},
	{"close-again", closes_again},
	{"leave-queued", leaves_queued},
};
PROPERTIES(all)
