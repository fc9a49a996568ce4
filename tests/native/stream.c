/* SPDX-License-Identifier: MIT */
/*
 * cassin_serve() over epoll and non-blocking sockets, on 127.0.0.1. It keeps guest-lib's limits and buffer sizes, so
 * that a process and a guest do the same work for a request, but for that on idle connections, of which it closes none. SIGTERM
 * and SIGINT ask it to stop.
 *
 * Of a connection's private fields it uses: in_buffer, in_size, full; out, out_len, out_size, flight_at (how much of
 * the output has left); stalled, broken; sending (it waits to send, not to receive); next, link.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream_buffers.h"

#define DEFAULT_CONNECTIONS 256u
#define DEFAULT_INPUT 65536u
#define EVENTS 64
#define ACCEPT_RETRY_NS 50000000u
#define NS_PER_MS 1000000u

static struct {
	const struct cassin_service *service;
	int poll, listener;
	bool listening;     /* the listener is polled */
	uint64_t accept_at; /* not before, when it is not polled */
	uint32_t count, most, input_max;
	struct cassin_conn *all;
} state;

static volatile sig_atomic_t stopping;

static void asked_to_stop(int number)
{
	(void)number;
	stopping = 1;
}

uint32_t cassin_connections(void)
{
	return state.count;
}

bool cassin_send(struct cassin_conn *c, const void *bytes, size_t len)
{
	return conn_append(c, bytes, len);
}

static void poll_for(int op, int fd, uint32_t events, void *what)
{
	struct epoll_event event = {.events = events, .data.ptr = what};
	epoll_ctl(state.poll, op, fd, &event);
}

static void listen_on(bool on)
{
	if (state.listening != on)
		poll_for(EPOLL_CTL_MOD, state.listener, on ? EPOLLIN : 0, NULL);
	state.listening = on;
	state.accept_at = CASSIN_FOREVER;
}

static void end(struct cassin_conn *c)
{
	if (state.service->close)
		state.service->close(c);
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	close(c->handle);
	cassin_free(c->in_buffer);
	cassin_free(c->out);
	cassin_free(c);
	state.count--;
	listen_on(true);
}

/* Sends what the socket takes. */
static void flush(struct cassin_conn *c)
{
	while (!c->broken && c->flight_at < c->out_len) {
		ssize_t n = send(c->handle, c->out + c->flight_at, c->out_len - c->flight_at, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n < 0 && errno != EINTR)
			c->broken = c->closing = true;
		else if (n > 0)
			c->flight_at += (uint32_t)n;
	}
	c->out_len = c->flight_at = 0;
	if (c->out_size > KEEP_BUFFER)
		conn_drop_output(c);
}

/* Goes on with input and output as far as both go, and waits for what holds it up. */
static void go_on(struct cassin_conn *c)
{
	do {
		conn_consume(c, state.service, state.input_max);
		flush(c);
	} while (c->stalled && !c->out_len && !c->closing);
	if (c->closing && !c->out_len) {
		end(c);
		return;
	}
	if (c->sending != (c->out_len > 0)) {
		c->sending = c->out_len > 0;
		poll_for(EPOLL_CTL_MOD, c->handle, c->sending ? EPOLLOUT : EPOLLIN, c);
	}
}

static void receive(struct cassin_conn *c)
{
	ssize_t n = conn_make_room(c, state.input_max)
			    ? recv(c->handle, c->in_buffer + c->in_len, c->in_size - c->in_len, 0)
			    : 0;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		c->closing = true;
	} else {
		c->full = (uint32_t)n == c->in_size - c->in_len;
		c->in_len += (uint32_t)n;
	}
	go_on(c);
}

static void arrived(int fd)
{
	int one = 1;
	struct cassin_conn *c = cassin_zalloc(1, sizeof *c);
	if (c)
		c->handle = fd;
	if (!c || (state.service->open && !state.service->open(c))) {
		cassin_free(c);
		close(fd);
		return;
	}
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	c->next = state.all;
	c->link = &state.all;
	if (c->next)
		c->next->link = &c->next;
	state.all = c;
	state.count++;
	poll_for(EPOLL_CTL_ADD, fd, EPOLLIN, c);
}

static void accept_all(void)
{
	while (state.count < state.most) {
		int fd = accept4(state.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			arrived(fd);
		} else if (errno == EAGAIN) {
			return;
		} else if (errno != ECONNABORTED && errno != EINTR) { /* out of descriptors or memory */
			listen_on(false);
			state.accept_at = cassin_now() + ACCEPT_RETRY_NS;
			return;
		}
	}
	listen_on(false);
}

/* For epoll_wait(): milliseconds until the service or the listener wants to be woken. */
static int timeout(void)
{
	uint64_t at = state.service->tick ? state.service->tick(cassin_now()) : CASSIN_FOREVER;
	at = state.accept_at < at ? state.accept_at : at;
	if (at == CASSIN_FOREVER)
		return -1;
	uint64_t now = cassin_now();
	if (at <= now)
		return 0;
	uint64_t ms = (at - now + NS_PER_MS - 1) / NS_PER_MS;
	return ms < INT32_MAX ? (int)ms : INT32_MAX;
}

static int serve(void)
{
	struct epoll_event events[EVENTS];
	sigset_t none, stops;
	sigemptyset(&none);
	sigemptyset(&stops);
	sigaddset(&stops, SIGTERM);
	sigaddset(&stops, SIGINT);
	sigprocmask(SIG_BLOCK, &stops, NULL);
	sigaction(SIGTERM, &(struct sigaction){.sa_handler = asked_to_stop}, NULL);
	sigaction(SIGINT, &(struct sigaction){.sa_handler = asked_to_stop}, NULL);
	while (!stopping) {
		int n = epoll_pwait(state.poll, events, EVENTS, timeout(), &none);
		if (n < 0 && errno != EINTR)
			return -errno;
		for (int i = 0; i < n; i++) {
			struct cassin_conn *c = events[i].data.ptr;
			if (!c)
				accept_all();
			else if (c->sending)
				go_on(c);
			else
				receive(c);
		}
		if (state.accept_at != CASSIN_FOREVER && cassin_now() >= state.accept_at)
			listen_on(true);
	}
	return 0;
}

/* A listener on 127.0.0.1, or -errno. */
static int listener_on(uint16_t port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, SOMAXCONN)) {
		int error = errno;
		close(fd);
		return -error;
	}
	return fd;
}

int cassin_serve(const struct cassin_service *s)
{
	state.service = s;
	state.most = s->connections ? s->connections : DEFAULT_CONNECTIONS;
	state.input_max = s->input_max ? s->input_max : DEFAULT_INPUT;
	state.accept_at = CASSIN_FOREVER;
	state.listener = listener_on(s->port);
	if (state.listener < 0)
		return state.listener;
	state.poll = epoll_create1(EPOLL_CLOEXEC);
	int r = state.poll < 0 ? -errno : 0;
	if (!r) {
		state.listening = true;
		poll_for(EPOLL_CTL_ADD, state.listener, EPOLLIN, NULL);
		r = serve();
		while (state.all)
			end(state.all);
		close(state.poll);
	}
	close(state.listener);
	return r;
}
