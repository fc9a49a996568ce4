/* SPDX-License-Identifier: MIT */
#include "gateway.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "debug.h"
#include "pool.h"

#define PAUSE_MS 100  /* when the host has no more descriptors */
#define EARLY_MS 5    /* between two looks at those whose guest does not listen yet, */
#define EARLY_MOST 8u /* and so many of them are offered again at a look */
#define EARLY_S 10    /* that a guest has for it */

struct gateway {
	uv_poll_t poll;
	uv_timer_t pause, again;
	struct daemon *daemon;
	int fd;
	unsigned nclients;
	struct client *clients;            /* whose line has not come */
	struct client *early, **early_end; /* whose guest has not booted, or has a full queue; in turns */
	bool stopping;
};

struct client {
	struct client *next, **link;
	uv_poll_t poll;
	uv_timer_t timer;
	struct job work;
	struct gateway *gateway;
	int fd; /* -1: handed over */
	unsigned handles;
	bool complete; /* the line has come: on to the thread pool */
	char line[GATEWAY_LINE_MAX + 1];
	size_t len;
	uint64_t id;
	uint16_t port;
	bool debugs;    /* the line asks for the guest's debugger */
	uint64_t until; /* when it has waited long enough for its guest to take it */
	int result;
};

static void on_listening(uv_poll_t *poll, int status, int events);
static void on_again(uv_timer_t *timer);

static void client_free(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->gateway->nclients--;
	free(c);
}

static void answer_error(struct client *c, const char *format, va_list args)
{
	char text[256] = "ERR ";
	int len = vsnprintf(text + 4, sizeof text - 5, format, args);
	text[4 + len] = '\n';
	send(c->fd, text, 5 + (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* ---- The hand-over ---- */

/* Whoever takes the socket sends OK: the guest's own bytes may follow at once. */
static void hand_over(struct job *work)
{
	struct client *c = work->data;
	c->result = cassin_engine_guest_offer(c->gateway->daemon->engine, c->id, c->port, c->fd, "OK\n");
	if (c->result == 0)
		c->fd = -1;
}

static void answer(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void answer(struct client *c, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	answer_error(c, format, args);
	va_end(args);
}

static bool runs(enum cassin_guest_state state)
{
	return state == CASSIN_GUEST_STARTING || state == CASSIN_GUEST_RUNNING;
}

/* The guest has not taken it. */
static void explain(struct client *c)
{
	struct cassin_guest_status s;
	if (c->result == -EPIPE)
		return;
	if (cassin_engine_guest_status(c->gateway->daemon->engine, c->id, &s) < 0)
		answer(c, "no guest is named \"%s\"", c->line);
	else if (!runs(s.state))
		answer(c, "\"%s\" does not run: %s", s.name, cassin_guest_state_name(s.state));
	else if (c->result == -ECONNREFUSED)
		answer(c, "\"%s\" does not listen on port %u", s.name, c->port);
	else if (c->result == -EAGAIN)
		answer(c, "\"%s\" has taken no connection on port %u for %d s", s.name, c->port, EARLY_S);
	else
		answer(c, "\"%s\": %s", s.name, strerror(-c->result));
}

static void handed_over(struct job *work)
{
	struct client *c = work->data;
	struct gateway *g = c->gateway;
	if (c->result == -EAGAIN && now_ns() < c->until && !g->stopping) {
		c->next = NULL;
		*g->early_end = c;
		g->early_end = &c->next;
		if (!uv_is_active((uv_handle_t *)&g->again))
			uv_timer_start(&g->again, on_again, EARLY_MS, 0);
		return;
	}
	if (c->result == 0)
		g->daemon->gateway_connects++;
	else
		explain(c);
	client_free(c);
}

static struct client *take_early(struct gateway *g)
{
	struct client *c = g->early;
	g->early = c->next;
	if (!g->early)
		g->early_end = &g->early;
	return c;
}

/* A guest that boots slowly, or never, costs those who wait for it their time alone: no thread waits with them. */
static void on_again(uv_timer_t *timer)
{
	struct gateway *g = timer->data;
	for (unsigned i = 0; g->early && i < EARLY_MOST; i++)
		pool_add(g->daemon->pool, LANE_CONNECT, &take_early(g)->work, hand_over, handed_over);
	if (g->early)
		uv_timer_start(&g->again, on_again, EARLY_MS, 0);
}

static void on_client_closed(uv_handle_t *handle)
{
	struct client *c = handle->data;
	if (--c->handles)
		return;
	if (c->debugs) {
		debug_session_start(c->gateway->daemon, c->id, c->fd);
		c->fd = -1;
		client_free(c);
	} else if (c->complete) {
		pool_add(c->gateway->daemon->pool, LANE_CONNECT, &c->work, hand_over, handed_over);
	} else {
		client_free(c);
	}
}

/* Takes the client out of the loop's hands. */
static void client_leave(struct client *c)
{
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	uv_close((uv_handle_t *)&c->poll, on_client_closed);
	uv_close((uv_handle_t *)&c->timer, on_client_closed);
}

static void client_refuse(struct client *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void client_refuse(struct client *c, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	answer_error(c, format, args);
	va_end(args);
	client_leave(c);
}

/* ---- The line ---- */

static void line_complete(struct client *c)
{
	struct cassin_engine *e = c->gateway->daemon->engine;
	struct cassin_guest_status s;
	char *space = strchr(c->line, ' '), *end;
	bool debugs = space && !strcmp(space, " gdb");
	if (!debugs && (!space || space[1] < '1' || space[1] > '9')) {
		client_refuse(c, "the line must be: NAME PORT, or: NAME gdb");
		return;
	}
	*space = '\0';
	unsigned long port = debugs ? 0 : strtoul(space + 1, &end, 10);
	if (!debugs && (*end || port > 65535)) {
		client_refuse(c, "the port must be from 1 to 65535");
		return;
	}
	if (!cassin_name_valid(c->line)) { /* and may be anything, so it is not repeated */
		client_refuse(c, "that can be no guest's name: letters, digits, '.', '_' and '-', at most %d of them",
			      CASSIN_NAME_MAX);
		return;
	}
	if (cassin_engine_guest_find(e, c->line, &c->id) < 0 || cassin_engine_guest_status(e, c->id, &s) < 0) {
		client_refuse(c, "no guest is named \"%s\"", c->line);
		return;
	}
	if (!runs(s.state) && (debugs || s.state != CASSIN_GUEST_WAITING)) { /* who is started again may listen again */
		client_refuse(c, "\"%s\" does not run: %s", s.name, cassin_guest_state_name(s.state));
		return;
	}
	c->port = (uint16_t)port;
	c->debugs = debugs;
	c->complete = true;
	c->until = now_ns() + EARLY_S * UINT64_C(1000000000);
	client_leave(c);
}

/* Takes the line's bytes and not one more: what follows is the guest's. */
static void on_line(uv_poll_t *poll, int status, int events)
{
	struct client *c = poll->data;
	(void)events;
	size_t room = GATEWAY_LINE_MAX - c->len;
	ssize_t n = status < 0 ? 0 : recv(c->fd, c->line + c->len, room, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_leave(c);
		return;
	}
	char *newline = memchr(c->line + c->len, '\n', (size_t)n);
	size_t take = newline ? (size_t)(newline - c->line) + 1 - c->len : (size_t)n;
	if (recv(c->fd, c->line + c->len, take, MSG_DONTWAIT) != (ssize_t)take) {
		client_leave(c);
		return;
	}
	c->len += take;
	if (newline) {
		*newline = '\0';
		line_complete(c);
	} else if (c->len == GATEWAY_LINE_MAX) {
		client_refuse(c, "the line is longer than %d bytes", GATEWAY_LINE_MAX);
	}
}

static void on_slow(uv_timer_t *timer)
{
	client_refuse(timer->data, "no line within %d s", GATEWAY_LINE_MS / 1000);
}

/* ---- Accepting ---- */

static void on_pause_over(uv_timer_t *timer)
{
	struct gateway *g = timer->data;
	uv_poll_start(&g->poll, UV_READABLE, on_listening);
}

static void client_start(struct gateway *g, int fd)
{
	struct client *c = g->nclients < GATEWAY_CLIENTS_MAX ? calloc(1, sizeof *c) : NULL;
	if (!c || uv_poll_init(&g->daemon->loop, &c->poll, fd) < 0) {
		static const char busy[] = "ERR too many connections are being made\n";
		send(fd, busy, sizeof busy - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		close(fd);
		free(c);
		return;
	}
	g->nclients++;
	c->gateway = g;
	c->fd = fd;
	c->handles = 2;
	c->poll.data = c->timer.data = c->work.data = c;
	c->link = &g->clients;
	c->next = g->clients;
	if (c->next)
		c->next->link = &c->next;
	g->clients = c;
	uv_timer_init(&g->daemon->loop, &c->timer);
	uv_timer_start(&c->timer, on_slow, GATEWAY_LINE_MS, 0);
	uv_poll_start(&c->poll, UV_READABLE, on_line);
}

static void on_listening(uv_poll_t *poll, int status, int events)
{
	struct gateway *g = poll->data;
	(void)status;
	(void)events;
	int fd = accept4(g->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd >= 0) {
		client_start(g, fd);
		return;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
		uv_poll_stop(&g->poll);
		uv_timer_start(&g->pause, on_pause_over, PAUSE_MS, 0);
	}
}

int gateway_start(struct daemon *d, int fd)
{
	struct gateway *g = calloc(1, sizeof *g);
	if (!g || uv_poll_init(&d->loop, &g->poll, fd) < 0) {
		free(g);
		close(fd);
		return -ENOMEM;
	}
	uv_timer_init(&d->loop, &g->pause);
	uv_timer_init(&d->loop, &g->again);
	g->poll.data = g->pause.data = g->again.data = g;
	g->early_end = &g->early;
	g->daemon = d;
	g->fd = fd;
	uv_poll_start(&g->poll, UV_READABLE, on_listening);
	d->gateway = g;
	return 0;
}

static void on_gateway_closed(uv_handle_t *handle)
{
	struct gateway *g = handle->data;
	if (handle == (uv_handle_t *)&g->poll)
		close(g->fd);
}

void gateway_stop(struct daemon *d)
{
	struct gateway *g = d->gateway;
	g->stopping = true;
	while (g->clients)
		client_leave(g->clients);
	while (g->early)
		client_free(take_early(g));
	uv_close((uv_handle_t *)&g->again, NULL);
	uv_close((uv_handle_t *)&g->poll, on_gateway_closed);
	uv_close((uv_handle_t *)&g->pause, NULL);
}
