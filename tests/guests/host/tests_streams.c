/* SPDX-License-Identifier: MIT */
/* Streams between guests, and from the host. No network is needed: the host's end is a Unix socket. */
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "runner.h"

#define SIZE (1u << 20)

static uint8_t pattern(uint64_t at)
{
	return (uint8_t)(at * 31 + (at >> 8) * 7 + (at >> 16));
}

static void by_name(struct world *w, const struct test *t)
{
	char args[64];
	snprintf(args, sizeof args, "client server:7 %s", t->args);
	uint64_t client = spawn(w, "client", "streams", args), server = spawn(w, "server", "streams", "server");
	expect_exit(w, client, 0, 0);
	expect_exit(w, server, 0, 0);
	uint64_t bytes = strtoull(t->args, NULL, 10);
	EXPECT_IS(status_of(w, server).counters.bytes_in, bytes);
	EXPECT_IS(status_of(w, client).counters.bytes_out, bytes);
	EXPECT_IS(status_of(w, server).counters.accepted, 1);
}

/* One server, many clients, hogs beside them. */
static void many_clients(struct world *w, const struct test *t)
{
	uint64_t clients[20];
	(void)t;
	uint64_t hog = spawn(w, "hog", "hog", "spin");
	uint64_t server = spawn(w, "server", "streams", "server 20");
	for (int i = 0; i < 20; i++) {
		char name[32];
		snprintf(name, sizeof name, "client%d", i);
		clients[i] = spawn(w, name, "streams", "client server:7 30000");
	}
	for (int i = 0; i < 20; i++)
		expect_exit(w, clients[i], 0, 20);
	expect_exit(w, server, 0, 0);
	EXPECT_IS(cassin_engine_guest_kill(w->e, hog), 0);
}

static void refused(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t deaf = spawn(w, "deaf", "life", "sleep");
	await_text(w, deaf, "sleeping");
	expect_exit(w, spawn(w, "a", "streams", "refused deaf:7 111"), 0, 0);
	expect_exit(w, spawn(w, "b", "streams", "refused nobody:7 2"), 0, 0);
	expect_exit(w, spawn(w, "streams", "streams", "bad-names"), 0, 0);
	uint64_t done = spawn(w, "done", "hello", NULL);
	expect_exit(w, done, 0, 0);
	expect_exit(w, spawn(w, "c", "streams", "refused done:7 111"), 0, 0);
}

/* A guest of another domain cannot be reached, nor told from one that does not exist. */
static void other_domain(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t server = spawn(w, "server", "streams", "server");
	await_text(w, server, "listening");
	struct cassin_guest_spec s = spec_of(w, "stranger", "streams", "refused server:7 2");
	free(s.domain);
	s.domain = strdup("elsewhere");
	expect_exit(w, spawn_spec(w, &s), 0, 0);
	EXPECT_IS(status_of(w, server).state, CASSIN_GUEST_RUNNING);
}

static void no_more_than(struct world *w, const struct test *t)
{
	char args[64];
	unsigned most = (unsigned)strtoul(t->args, NULL, 10);
	snprintf(args, sizeof args, "open-without-end %u", most);
	struct cassin_guest_spec s = spec_of(w, "g", "streams", args);
	s.streams = most;
	expect_exit(w, spawn_spec(w, &s), 0, 0);
	snprintf(args, sizeof args, "accept-without-end %u", most);
	s = spec_of(w, "acceptor", "streams", args);
	s.streams = most;
	expect_exit(w, spawn_spec(w, &s), 0, 0);
	expect_exit(w, spawn(w, "to-itself", "streams", "connect-without-end"), 0, 0);
}

static void killed_peer(struct world *w, const struct test *t)
{
	(void)t;
	for (int i = 0; i < 3; i++) {
		uint64_t victim = spawn(w, "victim", "streams", "ignore");
		uint64_t sender = spawn(w, "sender", "streams", "send-to-the-dead victim:7");
		await_text(w, victim, "accepted");
		sleep_ms(20);
		EXPECT_IS(status_of(w, sender).state, CASSIN_GUEST_RUNNING);
		EXPECT_IS(cassin_engine_guest_kill(w->e, victim), 0);
		expect_exit(w, sender, 0, 0);
		EXPECT_IS(cassin_engine_guest_remove(w->e, victim), 0);
		EXPECT_IS(cassin_engine_guest_remove(w->e, sender), 0);
	}
}

/* What a guest has left in its peers is not charged to its next lives: it would be able to send nothing in the end. */
static void left_by_the_dead(struct world *w, const struct test *t)
{
	struct cassin_error_text err;
	(void)t;
	uint64_t reader = spawn(w, "reader", "streams", "read-later 60");
	uint64_t sender = spawn(w, "sender", "streams", "leave-unread reader:7 3");
	for (int life = 0; life < 20; life++) {
		if (life)
			EXPECT_IS(cassin_engine_guest_restart(w->e, sender, &err), 0);
		expect_exit(w, sender, 0, 0);
		EXPECT_IS(status_of(w, sender).memory.streams, 0);
	}
	await_text(w, reader, "accepted");
	EXPECT(status_of(w, reader).memory.streams >= UINT64_C(60) * 60000);
	EXPECT_IS(cassin_engine_guest_input(w->e, reader, "x", 1), 1);
	expect_exit(w, reader, 0, 0);
	await_text(w, reader, "60 whole, 0 lost");
	EXPECT_IS(status_of(w, reader).memory.streams, 0);
}

/* Nor does it use up what its peer has for itself: beyond that guest's quota it is lost, and said to be. */
static void left_beyond_measure(struct world *w, const struct test *t)
{
	(void)t;
	struct cassin_guest_spec s = spec_of(w, "reader", "streams", "read-later 40");
	s.memory = 1u << 20;
	uint64_t reader = spawn_spec(w, &s);
	expect_exit(w, spawn(w, "sender", "streams", "leave-unread reader:7 40"), 0, 0);
	await_text(w, reader, "accepted");
	EXPECT(status_of(w, reader).memory.streams <= UINT64_C(2) << 20);
	EXPECT_IS(cassin_engine_guest_input(w->e, reader, "x", 1), 1);
	expect_exit(w, reader, 1, 0);
	await_text(w, reader, "lost");
	unsigned whole = 0, lost = 0;
	EXPECT_IS(sscanf(strstr(console_of(w, reader), "accepted\n"), "accepted\n%u whole, %u lost", &whole, &lost), 2);
	EXPECT(whole >= 8 && whole <= 17); /* what a quota of 1 MiB holds, and the host's sockets besides */
	EXPECT_IS(whole + lost, 40);
}

/* Connections that nobody accepts take memory when whoever made them has closed them, too: it is on the account of what is left. */
static void left_in_queues(struct world *w, const struct test *t)
{
	(void)t;
	struct cassin_guest_spec s = spec_of(w, "g", "streams", "leave-queued 64");
	s.memory = 1u << 20;
	uint64_t id = spawn_spec(w, &s);
	await_text(w, id, "2048 left"); /* of the 8192 that the queues would hold */
	EXPECT(status_of(w, id).memory.streams >= UINT64_C(1) << 20);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "x", 1), 1);
	expect_exit(w, id, 0, 0);
	EXPECT_IS(status_of(w, id).memory.streams, 0);
}

/* The table of handles is as large as it ever was, and counts so. */
static void table_of_handles(struct world *w, const struct test *t)
{
	(void)t;
	struct cassin_guest_spec s = spec_of(w, "g", "streams", "close-again 8000");
	s.streams = 8000;
	uint64_t id = spawn_spec(w, &s);
	await_text(w, id, "closed");
	EXPECT(status_of(w, id).memory.streams >= 8000 * sizeof(void *));
	EXPECT(status_of(w, id).memory.streams < UINT64_C(8000) * 64);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "x", 1), 1);
	expect_exit(w, id, 0, 0);
	EXPECT_IS(status_of(w, id).memory.streams, 0);
}

/* ---- The host's side ---- */

static void send_pattern(int fd)
{
	static uint8_t bytes[SIZE];
	for (size_t i = 0; i < SIZE; i++)
		bytes[i] = pattern(i);
	for (size_t sent = 0; sent < SIZE;) {
		ssize_t n = write(fd, bytes + sent, SIZE - sent);
		EXPECT(n > 0);
		sent += (size_t)n;
	}
	EXPECT_IS(shutdown(fd, SHUT_WR), 0);
}

static void expect_answer(int fd)
{
	uint64_t total = 0;
	char more;
	EXPECT_IS(recv(fd, &total, sizeof total, MSG_WAITALL), sizeof total);
	EXPECT_IS(total, SIZE);
	EXPECT_IS(recv(fd, &more, 1, 0), 0);
	close(fd);
}

static void gateway(struct world *w, const struct test *t)
{
	(void)t;
	uint64_t server = spawn(w, "server", "streams", "server 3");
	for (int i = 0; i < 3; i++) {
		int ends[2];
		EXPECT_IS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
		EXPECT_IS(cassin_engine_guest_connect(w->e, server, 7, ends[1]), 0); /* waits while it boots */
		send_pattern(ends[0]);
		expect_answer(ends[0]);
	}
	expect_exit(w, server, 0, 0);
	int ends[2];
	EXPECT_IS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	EXPECT_IS(cassin_engine_guest_connect(w->e, server, 7, ends[1]), -ECONNREFUSED);
	EXPECT_IS(write(ends[0], "x", 1), -1); /* closed: SIGPIPE is ignored */
	EXPECT_IS(cassin_engine_guest_connect(w->e, 999999, 7, ends[0]), -ENOENT);
}

/* A client that may block, and sends nothing: the worker waits for it as little as for any other. */
static void silent_client(struct world *w, const struct test *t)
{
	int ends[2];
	(void)t;
	uint64_t server = spawn(w, "server", "streams", "server 1");
	EXPECT_IS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	EXPECT_IS(cassin_engine_guest_connect(w->e, server, 7, ends[1]), 0);
	while (!status_of(w, server).counters.accepted)
		sleep_ms(1);
	sleep_ms(20); /* it receives now */
	expect_exit(w, spawn(w, "other", "hello", NULL), 0, 0);
	send_pattern(ends[0]);
	expect_answer(ends[0]);
	expect_exit(w, server, 0, 0);
}

static struct cassin_guest_spec with_port(struct world *w, const char *name, const char *path)
{
	struct cassin_guest_spec s = spec_of(w, name, "streams", "server 2");
	s.ports = calloc(1, sizeof *s.ports);
	EXPECT(s.ports);
	s.nports = 1;
	s.ports->guest = 7;
	snprintf(s.ports->host, sizeof s.ports->host, "unix:%s", path);
	return s;
}

/* The server ends after two connections. */
static void serve_two(struct world *w, uint64_t server, const char *socket_path)
{
	for (int i = 0; i < 2; i++) { /* before it has booted, too */
		int fd = unix_connect(socket_path);
		EXPECT(fd >= 0);
		send_pattern(fd);
		expect_answer(fd);
	}
	expect_exit(w, server, 0, 0);
}

static void host_port(struct world *w, const struct test *t)
{
	char path[] = "/tmp/guest-tests-XXXXXX", socket_path[64];
	struct cassin_error_text err = {0};
	(void)t;
	EXPECT(mkdtemp(path));
	snprintf(socket_path, sizeof socket_path, "%s/socket", path);
	struct cassin_guest_spec s = with_port(w, "server", socket_path);
	uint64_t server = spawn_spec(w, &s), other;
	serve_two(w, server, socket_path);
	EXPECT(unix_connect(socket_path) < 0); /* nobody serves any more */
	EXPECT_IS(cassin_engine_guest_restart(w->e, server, &err), 0);
	s = with_port(w, "other", socket_path);
	int r = cassin_engine_guest_spawn(w->e, &s, &other, &err);
	EXPECT_IS(r, -EADDRINUSE);
	expect_says("the error", err.text, "socket");
	serve_two(w, server, socket_path);
	EXPECT_IS(cassin_engine_guest_remove(w->e, server), 0);
	EXPECT_IS(cassin_engine_guest_spawn(w->e, &s, &other, &err), 0);
	cassin_spec_free(&s);
	int fd = unix_connect(socket_path);
	EXPECT(fd >= 0);
	send_pattern(fd);
	EXPECT_IS(cassin_engine_guest_remove(w->e, other), 0);
	char byte;
	EXPECT(recv(fd, &byte, 1, 0) <= 8);
	close(fd);
	EXPECT(unix_connect(socket_path) < 0);
	EXPECT_IS(rmdir(path), 0);
}

/* A TCP port stays bound while its guest exists, but refuses clients when nobody is there to serve them. */
static void tcp_port(struct world *w, const struct test *t)
{
	uint16_t port = tcp_free_port();
	(void)t;
	struct cassin_guest_spec s = spec_of(w, "server", "streams", "server 1");
	struct cassin_guest_port p = {.guest = 7};
	snprintf(p.host, sizeof p.host, "tcp:127.0.0.1:%u", port);
	s.ports = malloc(sizeof p);
	EXPECT(s.ports);
	s.ports[0] = p;
	s.nports = 1;
	struct cassin_error_text err;
	uint64_t server = spawn_spec(w, &s);
	for (int round = 0; round < 2; round++) {
		int fd = tcp_connect(port);
		EXPECT(fd >= 0);
		send_pattern(fd);
		expect_answer(fd);
		expect_exit(w, server, 0, 0);
		EXPECT_IS(tcp_connect(port), -ECONNREFUSED);
		EXPECT_IS(cassin_engine_guest_restart(w->e, server, &err), 0);
	}
	EXPECT_IS(cassin_engine_guest_kill(w->e, server), 0);
	EXPECT_IS(tcp_connect(port), -ECONNREFUSED);
}

/* A name of the spec's "connect" list leads out of the guest, to a socket of the host's. */
static void host_target(struct world *w, const struct test *t)
{
	char path[] = "/tmp/guest-tests-XXXXXX";
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	(void)t;
	EXPECT(mkdtemp(path));
	snprintf(a.sun_path, sizeof a.sun_path, "%s/socket", path);
	int listener = socket(AF_UNIX, SOCK_STREAM, 0);
	EXPECT(listener >= 0);
	EXPECT_IS(bind(listener, (struct sockaddr *)&a, sizeof a), 0);
	EXPECT_IS(listen(listener, 4), 0);
	struct cassin_guest_spec s = spec_of(w, "client", "streams", "client outside 1048576");
	s.connects = calloc(1, sizeof *s.connects);
	EXPECT(s.connects);
	s.nconnects = 1;
	snprintf(s.connects->name, sizeof s.connects->name, "outside");
	snprintf(s.connects->target, sizeof s.connects->target, "unix:%s", a.sun_path);
	uint64_t id = spawn_spec(w, &s);
	int fd = accept(listener, NULL, NULL);
	EXPECT(fd >= 0);
	static uint8_t bytes[SIZE + 1];
	EXPECT_IS(recv(fd, bytes, sizeof bytes, MSG_WAITALL), SIZE);
	for (size_t i = 0; i < SIZE; i++)
		EXPECT_IS(bytes[i], pattern(i));
	uint64_t total = SIZE;
	EXPECT_IS(write(fd, &total, sizeof total), sizeof total);
	close(fd);
	expect_exit(w, id, 0, 0);
	close(listener);
	unlink(a.sun_path);
	EXPECT_IS(rmdir(path), 0);
}

const struct test tests_streams[] = {
	PASS("streams", "bad-handles"),
	PASS("streams", "half-close"),
	PASS("streams", "close-cancels"),
	PASS("streams", "close-after-sends"),
	PASS("streams", "skip-success"),
	{.name = "streams.by-name", .run = by_name, .args = "1048576"},
	{.name = "streams.by-name-one-worker", .run = by_name, .args = "1048576", .workers = 1},
	{.name = "streams.by-name-empty", .run = by_name, .args = "0"},
	{.name = "streams.silent-client", .run = silent_client, .workers = 1},
	{.name = "streams.many-clients", .run = many_clients, .seconds = 30},
	{.name = "streams.refused", .run = refused},
	{.name = "streams.other-domain", .run = other_domain},
	{.name = "streams.no-more-than-8", .run = no_more_than, .args = "8"},
	{.name = "streams.no-more-than-1024", .run = no_more_than, .args = "1024"},
	{.name = "streams.killed-peer", .run = killed_peer},
	{.name = "streams.left-by-the-dead", .run = left_by_the_dead},
	{.name = "streams.left-beyond-measure", .run = left_beyond_measure},
	{.name = "streams.left-in-queues", .run = left_in_queues},
	{.name = "streams.table-of-handles", .run = table_of_handles},
	{.name = "streams.gateway", .run = gateway},
	{.name = "streams.host-port", .run = host_port},
	{.name = "streams.tcp-port", .run = tcp_port},
	{.name = "streams.host-target", .run = host_target},
	{0},
};
