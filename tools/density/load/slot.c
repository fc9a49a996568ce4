/* SPDX-License-Identifier: MIT */
/* One connection of the load client: when it asks, and what came of it. */
#include "client.h"

#include <stdio.h>
#include <string.h>

#define AFTER_FAILURE_MS 10
/* libuv's timers are so exact: that a request went out so much before or behind its time is not its server's doing. */
#define TIMER_NS 2000000u

static void slot_ask(struct slot *s);

static void on_closed(uv_handle_t *h)
{
	struct slot *s = h->data;
	s->closing = false;
	if (!s->client->over)
		slot_begin(s);
}

static void slot_close(struct slot *s)
{
	s->began = 0;
	s->closing = true;
	uv_close(&s->at.handle, on_closed);
}

void slot_fail(struct slot *s, const char *why)
{
	struct client *c = s->client;
	if (s->closing || c->over)
		return;
	c->errors += c->measuring;
	if (!*c->first_error)
		snprintf(c->first_error, sizeof c->first_error, "target %u: %s", s->target, why);
	s->failed = true;
	slot_close(s);
}

static void on_due_request(uv_timer_t *t)
{
	slot_ask(t->data);
}

/* Until the slot's next request. libuv's timers count in ms: what is nearer goes out at once. */
static uint64_t wait_ms(struct slot *s)
{
	uint64_t now = uv_hrtime();
	return s->client->job->rate > 0 && s->due > now ? (s->due - now) / 1000000 : 0;
}

/* When a request begins that goes out now: with a rate, when it should have. */
static uint64_t beginning(const struct slot *s)
{
	uint64_t now = uv_hrtime();
	return s->client->job->rate > 0 && now > s->due + TIMER_NS ? s->due : now;
}

static void slot_answered(struct slot *s)
{
	struct client *c = s->client;
	uint64_t now = uv_hrtime(), began = s->began;
	s->began = 0;
	if (c->measuring) {
		bool late = c->job->kind == LOAD_LATENESS;
		histogram_add(&c->latencies, late ? s->exchange.reported : now > began ? now - began : 0);
		c->requests++;
	}
	if (!s->left) {
		slot_close(s);
		return;
	}
	uint64_t ms = wait_ms(s);
	if (ms)
		uv_timer_start(&s->timer, on_due_request, ms, 0);
	else
		slot_ask(s);
}

/* The gateway's line; what is behind it is the guest's. Returns how many bytes were used up. */
static size_t greet(struct slot *s, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != '\n') {
			if (s->greeting_len < sizeof s->greeting - 1)
				s->greeting[s->greeting_len++] = bytes[i];
			continue;
		}
		s->greeting[s->greeting_len] = '\0';
		if (strcmp(s->greeting, "OK") != 0)
			slot_fail(s, s->greeting);
		s->greeted = true;
		return i + 1;
	}
	return len;
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct slot *s = stream->data;
	if (n == 0 || s->closing)
		return;
	if (n < 0) {
		slot_fail(s, n == UV_EOF ? "closed before it answered" : uv_strerror((int)n));
		return;
	}
	size_t used = s->greeted ? 0 : greet(s, buf->base, (size_t)n);
	if (s->closing || used == (size_t)n)
		return;
	if (!s->began) {
		slot_fail(s, "sent something that nobody asked for");
		return;
	}
	switch (exchange_feed(&s->exchange, buf->base + used, (size_t)n - used)) {
	case EXCHANGE_MORE:
		break;
	case EXCHANGE_DONE:
		slot_answered(s);
		break;
	case EXCHANGE_BAD:
		slot_fail(s, s->exchange.why);
		break;
	}
}

static void on_alloc(uv_handle_t *h, size_t suggested, uv_buf_t *buf)
{
	struct slot *s = h->data;
	(void)suggested;
	*buf = uv_buf_init(s->client->input, sizeof s->client->input);
}

static void on_written(uv_write_t *w, int status)
{
	struct slot *s = w->data;
	if (status < 0 && status != UV_ECANCELED)
		slot_fail(s, uv_strerror(status));
}

/* Sends the next request. Before the first on a connection goes the line for the gateway. */
static void slot_ask(struct slot *s)
{
	struct job *j = s->client->job;
	char line[80];
	uv_buf_t bufs[2];
	unsigned n = 0;
	if (s->closing)
		return;
	bool first = s->left == j->requests;
	s->left--;
	if (!first)
		s->began = beginning(s);
	if (j->rate > 0)
		s->due += (uint64_t)(1e9 * j->connections / j->rate);
	if (first && *j->gateway) {
		int len = snprintf(line, sizeof line, "%s-%u-%u %u\n", j->prefix, s->target / j->batch,
				   s->target % j->batch, j->port);
		bufs[n++] = uv_buf_init(line, (unsigned)len);
	}
	s->request_len = exchange_begin(&s->exchange, j, !s->left, s->request);
	bufs[n++] = uv_buf_init(s->request, (unsigned)s->request_len);
	/* The line is on this stack: it has to leave now, which a fresh connection always allows. */
	int sent = uv_try_write(&s->at.stream, bufs, n);
	size_t all = bufs[0].len + (n > 1 ? bufs[1].len : 0), lead = all - s->request_len;
	if (sent < (int)lead) {
		slot_fail(s, sent < 0 ? uv_strerror(sent) : "the gateway takes no line");
	} else if ((size_t)sent < all) {
		size_t at = (size_t)sent - lead;
		uv_buf_t rest = uv_buf_init(s->request + at, (unsigned)(s->request_len - at));
		uv_write(&s->write, &s->at.stream, &rest, 1, on_written);
	}
}

static void on_connected(uv_connect_t *connect, int status)
{
	struct slot *s = connect->data;
	if (status == UV_ECANCELED)
		return;
	if (status == 0)
		status = uv_read_start(&s->at.stream, on_alloc, on_read);
	if (status < 0)
		slot_fail(s, uv_strerror(status));
	else
		slot_ask(s);
}

static void slot_open(struct slot *s)
{
	struct client *c = s->client;
	struct job *j = c->job;
	int result = 0;
	s->target = job_target(j);
	s->left = j->requests;
	s->greeted = !*j->gateway;
	s->greeting_len = 0;
	s->began = beginning(s);
	if (*j->gateway) {
		uv_pipe_init(&c->loop, &s->at.pipe, 0);
		uv_pipe_connect(&s->connect, &s->at.pipe, j->gateway, on_connected);
	} else {
		struct sockaddr_in to = c->address;
		to.sin_port = htons((uint16_t)(j->base + s->target));
		uv_tcp_init(&c->loop, &s->at.tcp);
		uv_tcp_nodelay(&s->at.tcp, 1);
		result = uv_tcp_connect(&s->connect, &s->at.tcp, (const struct sockaddr *)&to, on_connected);
	}
	s->at.handle.data = s;
	if (result < 0)
		slot_fail(s, uv_strerror(result));
}

static void on_due_connection(uv_timer_t *t)
{
	slot_open(t->data);
}

void slot_begin(struct slot *s)
{
	uint64_t ms = s->failed ? AFTER_FAILURE_MS : wait_ms(s);
	s->failed = false;
	s->connect.data = s->write.data = s->timer.data = s;
	if (ms)
		uv_timer_start(&s->timer, on_due_connection, ms, 0);
	else
		slot_open(s);
}
