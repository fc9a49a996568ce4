/* SPDX-License-Identifier: MIT */
/* Ports of the host follow what their guest listens on: each test with a TCP port and with a Unix socket. */
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner.h"

#define PORT 7

/* A host's port, and the folder of its socket if it is one. */
struct place {
	struct cassin_guest_port port;
	uint16_t tcp; /* 0: a Unix socket */
	char folder[32], path[64];
};

static void place_make(struct place *p, const struct test *t)
{
	*p = (struct place){.port.guest = PORT, .folder = "/tmp/guest-tests-XXXXXX"};
	if (!strcmp(t->args, "tcp")) {
		p->tcp = tcp_free_port();
		snprintf(p->port.host, sizeof p->port.host, "tcp:127.0.0.1:%u", p->tcp);
		return;
	}
	EXPECT(mkdtemp(p->folder));
	snprintf(p->path, sizeof p->path, "%s/socket", p->folder);
	snprintf(p->port.host, sizeof p->port.host, "unix:%s", p->path);
}

/* The guest is gone, and its socket with it. */
static void place_end(struct world *w, const struct place *p, uint64_t id)
{
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
	EXPECT(p->tcp || !rmdir(p->folder));
}

static struct cassin_guest_spec with_port(struct world *w, const struct place *p, const char *args)
{
	struct cassin_guest_spec s = spec_of(w, "g", "ports", args);
	s.ports = calloc(1, sizeof *s.ports);
	EXPECT(s.ports);
	s.nports = 1;
	*s.ports = p->port;
	return s;
}

static uint64_t spawn_there(struct world *w, const struct place *p, const char *args)
{
	struct cassin_guest_spec s = with_port(w, p, args);
	return spawn_spec(w, &s);
}

static int connect_there(const struct place *p)
{
	return p->tcp ? tcp_connect(p->tcp) : unix_connect(p->path);
}

static int client(const struct place *p)
{
	int fd = connect_there(p);
	if (fd < 0)
		fail("it refuses: %s", strerror(-fd));
	struct timeval most = {.tv_sec = 20};
	EXPECT_IS(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most), 0);
	return fd;
}

/* A socket's file is removed a little later than nobody listens there. */
static void expect_refused(const struct place *p)
{
	int r = connect_there(p);
	EXPECT(r == -ECONNREFUSED || (!p->tcp && r == -ENOENT));
}

/* Who waited to be accepted learns that nobody will. */
static void expect_dropped(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, 0);
	EXPECT(n == 0 || (n < 0 && errno == ECONNRESET));
	close(fd);
}

static void expect_served(int fd)
{
	char text[7] = "";
	EXPECT_IS(recv(fd, text, 6, MSG_WAITALL), 6);
	EXPECT(!strcmp(text, "served"));
	close(fd);
}

/* Waits until the guest's status says that the port refuses, or not. */
static void await_refusing(struct world *w, uint64_t id, bool refuses)
{
	uint64_t end = now_ns() + 10000 * MS * w->slow;
	while (status_of(w, id).refusing != refuses && now_ns() < end)
		sleep_ms(2);
	EXPECT_IS(status_of(w, id).refusing, refuses);
}

/* Has the guest obey one letter. */
static void tell(struct world *w, uint64_t id, char letter)
{
	char want[] = "X done\n";
	want[0] = letter;
	unsigned before = 0, n = 0;
	for (const char *at = console_of(w, id); (at = strstr(at, want)); at++)
		before++;
	EXPECT_IS(cassin_engine_guest_input(w->e, id, &letter, 1), 1);
	for (uint64_t end = now_ns() + 10000 * MS * w->slow; n <= before && now_ns() < end; sleep_ms(1)) {
		n = 0;
		for (const char *at = console_of(w, id); (at = strstr(at, want)); at++)
			n++;
	}
	EXPECT_IS(n, before + 1);
}

static void follow_the_listener(struct world *w, const struct test *t)
{
	struct place p;
	place_make(&p, t);
	uint64_t id = spawn_there(w, &p, "obeys o 0");
	await_refusing(w, id, true);
	expect_refused(&p);
	for (int round = 0; round < 3; round++) {
		tell(w, id, 'l');
		await_refusing(w, id, false);
		int served = client(&p);
		tell(w, id, 'a');
		expect_served(served);
		int left = client(&p);
		tell(w, id, 'c');
		EXPECT_IS(status_of(w, id).refusing, 1);
		expect_dropped(left);
		expect_refused(&p);
	}
	place_end(w, &p, id);
}

/* Until it has waited once, a guest may be about to listen: nobody is refused, and nobody lost who came early. A listener closed
 * meanwhile changes nothing. */
static void wait_for_the_boot(struct world *w, const struct test *t)
{
	struct place p;
	place_make(&p, t);
	uint64_t id = spawn_there(w, &p, "obeys lcla 300");
	int early = client(&p);
	EXPECT_IS(status_of(w, id).refusing, 0);
	expect_served(early);
	await_text(w, id, "a done");
	EXPECT_IS(status_of(w, id).refusing, 0);
	place_end(w, &p, id);
}

/* A LISTEN that fails opens nothing. */
static void a_failed_listen(struct world *w, const struct test *t)
{
	struct place p;
	place_make(&p, t);
	struct cassin_guest_spec s = with_port(w, &p, "obeys o 0");
	s.streams = 1;
	uint64_t id = spawn_spec(w, &s);
	await_refusing(w, id, true);
	tell(w, id, 'm');
	EXPECT_IS(status_of(w, id).refusing, 1);
	expect_refused(&p);
	place_end(w, &p, id);
}

/* A clone that waits from the start has booted, whatever its template listened on. */
static void of_clones(struct world *w, const struct test *t)
{
	static const char *const boots[] = {"obeys r 0", "obeys lr 0"};
	for (size_t i = 0; i < 2; i++) {
		struct place p;
		struct cassin_error_text err = {{0}};
		struct cassin_guest_spec s = spec_of(w, "mould", "ports", boots[i]);
		EXPECT_IS(cassin_engine_template_create(w->e, &s, 50 * 1000 * MS, NULL, &err), 0);
		cassin_spec_free(&s);
		place_make(&p, t);
		s = with_port(w, &p, NULL);
		free(s.image);
		s.image = NULL;
		s.from_template = strdup("mould");
		uint64_t id = spawn_spec(w, &s);
		await_refusing(w, id, !i);
		if (!i)
			expect_refused(&p);
		if (!i)
			tell(w, id, 'l');
		await_refusing(w, id, false);
		int served = client(&p);
		tell(w, id, 'a');
		expect_served(served);
		tell(w, id, 'c');
		expect_refused(&p);
		place_end(w, &p, id);
		EXPECT_IS(cassin_engine_template_remove(w->e, "mould"), 0);
	}
}

/* Who is asked to stop accepts nobody any more, however long it takes to end. */
static void of_the_stopping(struct world *w, const struct test *t)
{
	struct place p;
	place_make(&p, t);
	uint64_t id = spawn_there(w, &p, "obeys l 0");
	await_text(w, id, "l done");
	int left = client(&p);
	EXPECT_IS(cassin_engine_guest_stop(w->e, id, 100000 * MS), 0);
	expect_dropped(left);
	await_text(w, id, "no more");
	EXPECT_IS(status_of(w, id).state, CASSIN_GUEST_RUNNING);
	EXPECT_IS(status_of(w, id).refusing, 1);
	expect_refused(&p);
	EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
	place_end(w, &p, id);
}

/* The next incarnation may listen again: the host does, until it is known. After the last one nobody will. */
static void across_restarts(struct world *w, const struct test *t)
{
	struct place p;
	place_make(&p, t);
	struct cassin_guest_spec s = with_port(w, &p, "obeys l 0");
	s.restart = CASSIN_RESTART_ON_FAILURE;
	uint64_t id = spawn_spec(w, &s);
	await_text(w, id, "l done");
	int waits = client(&p);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "f", 1), 1);
	while (status_of(w, id).restarts < 1)
		sleep_ms(2);
	tell(w, id, 'a');
	expect_served(waits);
	tell(w, id, 'c');
	expect_refused(&p);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "f", 1), 1);
	while (status_of(w, id).restarts < 2)
		sleep_ms(2);
	int served = client(&p);
	tell(w, id, 'a');
	expect_served(served);
	EXPECT_IS(status_of(w, id).refusing, 0);
	EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
	EXPECT_IS(status_of(w, id).refusing, 1);
	expect_refused(&p);
	place_end(w, &p, id);
}

/* From the gateway: an answer at once where a guest that has booted does not listen, and a greeting only from one that takes it. */
static void offered(struct world *w, const struct test *t)
{
	int ends[2];
	char text[16] = "";
	(void)t;
	uint64_t id = spawn(w, "g", "ports", "obeys o 0");
	EXPECT_IS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	int r;
	while ((r = cassin_engine_guest_offer(w->e, id, PORT, ends[1], "OK ")) == -EAGAIN)
		sleep_ms(1);
	EXPECT_IS(r, -ECONNREFUSED);
	EXPECT_IS(recv(ends[0], text, sizeof text, MSG_DONTWAIT), -1);
	tell(w, id, 'l');
	EXPECT_IS(cassin_engine_guest_offer(w->e, id, PORT, ends[1], "OK "), 0);
	tell(w, id, 'a');
	EXPECT_IS(recv(ends[0], text, 9, MSG_WAITALL), 9);
	EXPECT(!strcmp(text, "OK served"));
	close(ends[0]);
	tell(w, id, 'c');
	EXPECT_IS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	EXPECT_IS(cassin_engine_guest_offer(w->e, id, PORT, ends[1], NULL), -ECONNREFUSED);
	expect_exit(w, spawn(w, "peer", "streams", "refused g:7 111"), 0, 0);
	tell(w, id, 'l');
	close(ends[0]);
	EXPECT_IS(cassin_engine_guest_offer(w->e, id, PORT, ends[1], "OK "), -EPIPE);
	close(ends[1]);
}

/* More than may wait in a guest: they are asked to come again, and none is lost. */
static void offered_in_a_crowd(struct world *w, const struct test *t)
{
	enum { MOST = 200 };
	int ends[MOST][2], taken = 0;
	(void)t;
	uint64_t id = spawn(w, "g", "ports", "obeys l 0");
	await_text(w, id, "l done");
	for (int i = 0; i < MOST; i++)
		EXPECT_IS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends[i]), 0);
	for (int i = 0, r = 0; i < MOST; i++, taken += !r) {
		r = cassin_engine_guest_offer(w->e, id, PORT, ends[i][1], NULL);
		EXPECT(r == 0 || r == -EAGAIN);
	}
	EXPECT_IS(taken, 128);
	tell(w, id, 'a');
	expect_served(ends[0][0]);
	EXPECT_IS(cassin_engine_guest_offer(w->e, id, PORT, ends[taken][1], NULL), 0);
	for (int i = taken + 1; i < MOST; i++)
		close(ends[i][1]);
	for (int i = 1; i < MOST; i++)
		close(ends[i][0]);
}

#define PORTS(what, fn)                                                                                                \
	{.name = "ports." what "-tcp", .run = fn, .args = "tcp"},                                                      \
	{                                                                                                              \
		.name = "ports." what "-unix", .run = fn, .args = "unix"                                               \
	}

const struct test tests_ports[] = {
	PORTS("follow-the-listener", follow_the_listener),
	PORTS("wait-for-the-boot", wait_for_the_boot),
	PORTS("a-failed-listen", a_failed_listen),
	PORTS("of-clones", of_clones),
	PORTS("of-the-stopping", of_the_stopping),
	PORTS("across-restarts", across_restarts),
	{.name = "ports.offered", .run = offered},
	{.name = "ports.offered-in-a-crowd", .run = offered_in_a_crowd},
	{0},
};
