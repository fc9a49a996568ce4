/* SPDX-License-Identifier: MIT */
#include "connection.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"

struct sending {
	uv_write_t write;
	char *bytes;
	size_t len;
};

static void on_timer(uv_timer_t *timer);

static void timer_set(struct connection *c, uint64_t ms)
{
	uv_timer_start(&c->timer, on_timer, ms, 0);
}

void connection_hold(struct connection *c)
{
	c->refs++;
}

void connection_release(struct connection *c)
{
	assert(c->refs);
	if (--c->refs)
		return;
	http_in_drop_body(c);
	free(c);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct connection *c = handle->data;
	if (--c->handles == 0)
		connection_release(c);
}

void connection_close(struct connection *c)
{
	if (c->closed)
		return;
	c->closed = true;
	*c->link = c->next;
	if (c->next)
		c->next->link = c->link;
	c->daemon->nconnections--;
	if (c->on_gone && !c->answered)
		c->on_gone(c);
	uv_close((uv_handle_t *)&c->timer, on_handle_closed);
	uv_close((uv_handle_t *)&c->pipe, on_handle_closed);
}

/* ---- Reading ---- */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct connection *c = handle->data;
	(void)suggested;
	if (c->phase == CONNECTION_LINGERING)
		c->in_end = 0;
	*buf = uv_buf_init(c->in + c->in_end, (unsigned)(sizeof c->in - c->in_end));
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void reading_update(struct connection *c)
{
	bool wanted = !c->eof && c->in_end < sizeof c->in;
	if (wanted && !c->reading)
		uv_read_start((uv_stream_t *)&c->pipe, on_alloc, on_read);
	else if (!wanted && c->reading)
		uv_read_stop((uv_stream_t *)&c->pipe);
	c->reading = wanted;
}

/* Parses what is there, as far as the phase allows. */
static void advance(struct connection *c)
{
	if (c->phase == CONNECTION_IDLE && c->in_start < c->in_end) {
		c->phase = CONNECTION_RECEIVING;
		timer_set(c, RECEIVE_MS);
	}
	if (c->phase == CONNECTION_RECEIVING)
		http_in_feed(c);
	if (c->closed)
		return;
	if (c->eof && c->phase != CONNECTION_ANSWERING) {
		connection_close(c);
		return;
	}
	reading_update(c);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct connection *c = stream->data;
	(void)buf;
	if (n == 0)
		return;
	if (n < 0 && n != UV_EOF) {
		connection_close(c);
		return;
	}
	if (n < 0) {
		c->eof = true;
		if (c->phase == CONNECTION_LINGERING || (c->phase == CONNECTION_ANSWERING && c->ends_on_eof)) {
			connection_close(c);
			return;
		}
	} else if (c->phase != CONNECTION_LINGERING) {
		c->in_end += (size_t)n;
	}
	advance(c);
}

static void on_timer(uv_timer_t *timer)
{
	struct connection *c = timer->data;
	if (c->phase == CONNECTION_RECEIVING)
		reply_refuse(c, 408, "the request took longer than %d s", RECEIVE_MS / 1000);
	else
		connection_close(c);
}

/* ---- Writing ---- */

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
	(void)status;
	free(shutdown);
}

/* Closing at once would cut off a client that is still sending from the answer it should read. */
static void linger(struct connection *c)
{
	uv_shutdown_t *shutdown = malloc(sizeof *shutdown);
	c->phase = CONNECTION_LINGERING;
	c->in_start = c->in_end = 0;
	if (c->eof || !shutdown || uv_shutdown(shutdown, (uv_stream_t *)&c->pipe, on_shutdown) < 0) {
		free(shutdown);
		connection_close(c);
		return;
	}
	timer_set(c, LINGER_MS);
	reading_update(c);
}

static void answer_finished(struct connection *c)
{
	bool keep = c->keep_alive && !atomic_load(&c->daemon->stopping);
	c->on_gone = NULL;
	c->user = NULL;
	if (!keep) {
		linger(c);
		return;
	}
	http_in_reset(c);
	c->phase = CONNECTION_IDLE;
	timer_set(c, IDLE_MS);
	advance(c);
}

static void on_written(uv_write_t *write, int status)
{
	struct sending *s = (struct sending *)write;
	struct connection *c = write->data;
	c->backlog -= s->len;
	c->daemon->answer_bytes -= s->len;
	free(s->bytes);
	free(s);
	if (status < 0)
		connection_close(c);
	if (!c->closed && c->phase == CONNECTION_ANSWERING) {
		if (c->backlog)
			timer_set(c, STALL_MS);
		else if (c->answered)
			answer_finished(c);
		else
			uv_timer_stop(&c->timer);
	}
	connection_release(c);
}

void connection_send(struct connection *c, char *bytes, size_t len)
{
	struct sending *s = malloc(sizeof *s);
	if (c->closed || !s) {
		free(bytes);
		free(s);
		connection_close(c);
		return;
	}
	*s = (struct sending){.bytes = bytes, .len = len};
	s->write.data = c;
	uv_buf_t buf = uv_buf_init(bytes, (unsigned)len);
	if (uv_write(&s->write, (uv_stream_t *)&c->pipe, &buf, 1, on_written) < 0) {
		free(bytes);
		free(s);
		connection_close(c);
		return;
	}
	connection_hold(c);
	if (!c->backlog && c->phase == CONNECTION_ANSWERING)
		timer_set(c, STALL_MS);
	c->backlog += len;
	c->daemon->answer_bytes += len;
}

/* ---- Accepting ---- */

bool connection_may_last(struct connection *c)
{
	unsigned lasting = 0;
	for (const struct connection *other = c->daemon->connections; other; other = other->next)
		lasting += other->lasting;
	c->lasting = lasting < CONNECTIONS_LASTING_MAX;
	return c->lasting;
}

/* All places are taken: the oldest connection that waits for nothing gives its own up, or that does not read the answer that it was
 * given. A client that was about to send its next request opens another. False: all wait for answers. */
static bool make_room(struct daemon *d)
{
	struct connection *oldest = NULL;
	for (struct connection *c = d->connections; c; c = c->next)
		if (c->phase != CONNECTION_ANSWERING || c->answered)
			oldest = c; /* the newest are first */
	if (oldest)
		connection_close(oldest);
	return oldest;
}

void connection_accept(struct daemon *d)
{
	struct connection *c = calloc(1, sizeof *c);
	if (!c)
		return;
	bool refused = d->nconnections >= CONNECTIONS_MAX && !make_room(d);
	uv_pipe_init(&d->loop, &c->pipe, 0);
	uv_timer_init(&d->loop, &c->timer);
	c->pipe.data = c->timer.data = c;
	c->handles = 2;
	c->refs = 1;
	c->daemon = d;
	c->link = &d->connections;
	c->next = d->connections;
	if (c->next)
		c->next->link = &c->next;
	d->connections = c;
	d->nconnections++;
	http_in_start(c);
	if (uv_accept((uv_stream_t *)&d->api, (uv_stream_t *)&c->pipe) < 0) {
		connection_close(c);
		return;
	}
	if (refused) {
		reply_refuse(c, 503, "too many connections: at most %u", CONNECTIONS_MAX);
		return;
	}
	timer_set(c, IDLE_MS);
	reading_update(c);
}
