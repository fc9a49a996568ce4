/* SPDX-License-Identifier: MIT */
/*
 * load BASE|GATEWAY GUESTS NAME CONNECTIONS MILLISECONDS once|zipf|keep|status
 *
 * Asks the guests NAME-0, NAME-1, ... at 127.0.0.1:BASE, BASE+1, ..., or by name at port 80 through the daemon's
 * gateway, a path, so many connections at a time, and checks each answer. `once`: a new connection for each request for
 * the page, to a guest drawn at random, closed by the guest; `zipf`: the same, drawn by Zipf's law; `keep`: each
 * connection stays with one guest; `status`: each guest is asked once for /status, in turn, and must name itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#include "load_conn.h"

#define CONNECTIONS_MOST 256u
#define LATENCIES_MOST (1u << 20)
#define GUESTS_MOST 1000000u
#define PATIENCE_MS 20000

enum load_mode { LOAD_ONCE, LOAD_ZIPF, LOAD_KEEP, LOAD_STATUS, LOAD_MODES };
static const char *const modes[LOAD_MODES] = {"once", "zipf", "keep", "status"};

static const char *const requests[] = {
	[LOAD_ONCE] = "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n",
	[LOAD_ZIPF] = "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n",
	[LOAD_KEEP] = "GET / HTTP/1.1\r\nHost: bench\r\n\r\n",
	[LOAD_STATUS] = "GET /status HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n",
};

static struct load {
	unsigned base, guests, connections;
	const char *name, *gateway; /* NULL: by ports */
	uint64_t duration;          /* ns */
	enum load_mode mode;

	int epoll;
	uint64_t begun, done, random;
	unsigned open, asked;
	uint32_t *latencies; /* us */
	double *cumulative;  /* by Zipf's law: the shares of this guest and those before it, not normed */
	struct conn conns[CONNECTIONS_MOST];
} load;

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static _Noreturn void fail(const struct conn *c, const char *why)
{
	fprintf(stderr, "load: %s: %s\n", c->wanted, why);
	exit(1);
}

static unsigned draw(void)
{
	load.random ^= load.random << 13;
	load.random ^= load.random >> 7;
	load.random ^= load.random << 17;
	if (load.mode == LOAD_ONCE)
		return (unsigned)(load.random % load.guests);
	double at = (double)(load.random >> 11) * 0x1p-53 * load.cumulative[load.guests - 1];
	unsigned first = 0, last = load.guests - 1;
	while (first < last) {
		unsigned middle = (first + last) / 2;
		if (load.cumulative[middle] > at)
			last = middle;
		else
			first = middle + 1;
	}
	return first;
}

static bool zipf_init(void)
{
	double sum = 0;
	load.cumulative = calloc(load.guests, sizeof *load.cumulative);
	for (unsigned i = 0; load.cumulative && i < load.guests; i++)
		load.cumulative[i] = sum += 1.0 / (i + 1);
	return load.cumulative;
}

static void open_to(struct conn *c, unsigned guest)
{
	int r;
	if (load.gateway) {
		snprintf(c->request, sizeof c->request, "%s-%u 80\n%s", load.name, guest, requests[load.mode]);
		r = conn_open_gateway(c, load.gateway);
	} else {
		snprintf(c->request, sizeof c->request, "%s", requests[load.mode]);
		r = conn_open(c, (uint16_t)(load.base + guest));
	}
	if (r)
		fail(c, strerror(-r));
}

/* Opens a connection for the next request, unless the time is over. */
static void begin(struct conn *c)
{
	bool status = load.mode == LOAD_STATUS;
	if (status ? load.asked == load.guests : now_ns() - load.begun >= load.duration)
		return;
	unsigned guest = load.mode == LOAD_ONCE || load.mode == LOAD_ZIPF ? draw() : load.asked % load.guests;
	load.asked++;
	snprintf(c->wanted, sizeof c->wanted, status ? "\"%s-%u\"" : "</html>", load.name, guest);
	c->started = now_ns();
	open_to(c, guest);
	conn_ask(c);
	struct epoll_event e = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
	if (epoll_ctl(load.epoll, EPOLL_CTL_ADD, c->fd, &e))
		fail(c, strerror(errno));
	load.open++;
}

/* Counts an answer; true: the next request goes out on the same connection. */
static bool answered(struct conn *c)
{
	uint64_t now = now_ns();
	if (load.done < LATENCIES_MOST)
		load.latencies[load.done] = (uint32_t)((now - c->started) / 1000);
	load.done++;
	if (load.mode == LOAD_KEEP && now - load.begun < load.duration) {
		c->started = now;
		conn_ask(c);
		return true;
	}
	conn_close(c);
	load.open--;
	begin(c);
	return false;
}

static void go_on(struct conn *c)
{
	const char *why;
	enum conn_state s;
	do
		s = conn_step(c, load.mode != LOAD_KEEP, &why);
	while (s == CONN_DONE && answered(c));
	if (s == CONN_FAILED)
		fail(c, why);
}

static void run(void)
{
	load.begun = now_ns();
	for (unsigned i = 0; i < load.connections; i++)
		begin(&load.conns[i]);
	while (load.open) {
		struct epoll_event events[CONNECTIONS_MOST];
		int n = epoll_wait(load.epoll, events, CONNECTIONS_MOST, PATIENCE_MS);
		if (n <= 0)
			fail(&load.conns[0], n ? strerror(errno) : "no answer for 20 s");
		for (int i = 0; i < n; i++)
			go_on(events[i].data.ptr);
	}
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static unsigned number(const char *text, unsigned most)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	if (*end || end == text || n > most) {
		fprintf(stderr, "load: %s: not a number up to %u\n", text, most);
		exit(2);
	}
	return (unsigned)n;
}

int main(int argc, char **argv)
{
	while (argc == 7 && load.mode < LOAD_MODES && strcmp(argv[6], modes[load.mode]) != 0)
		load.mode++;
	if (argc != 7 || load.mode == LOAD_MODES) {
		fputs("usage: load BASE|GATEWAY GUESTS NAME CONNECTIONS MILLISECONDS once|zipf|keep|status\n", stderr);
		return 2;
	}
	if (argv[1][0] == '/')
		load.gateway = argv[1];
	else
		load.base = number(argv[1], UINT16_MAX);
	load.guests = number(argv[2], GUESTS_MOST);
	load.name = argv[3];
	load.connections = number(argv[4], CONNECTIONS_MOST);
	load.duration = (uint64_t)number(argv[5], 3600000) * 1000000;
	load.random = now_ns() | 1;
	load.epoll = epoll_create1(EPOLL_CLOEXEC);
	load.latencies = calloc(LATENCIES_MOST, sizeof *load.latencies);
	if (load.epoll < 0 || !load.latencies || !load.guests || !zipf_init())
		return 1;
	run();
	double seconds = (double)(now_ns() - load.begun) / 1e9;
	size_t n = load.done < LATENCIES_MOST ? load.done : LATENCIES_MOST;
	qsort(load.latencies, n, sizeof *load.latencies, compare);
	printf("{\"requests\": %llu, \"seconds\": %.6f, \"p50_us\": %u, \"p99_us\": %u}\n",
	       (unsigned long long)load.done, seconds, n ? load.latencies[n / 2] : 0,
	       n ? load.latencies[n * 99 / 100] : 0);
	free(load.latencies);
	free(load.cumulative);
	return 0;
}
