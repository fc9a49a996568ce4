/* SPDX-License-Identifier: MIT */
/* A service's connections: what they submit to the ring, and what completes. */
#include "stream_buffers.h"
#include "stream_private.h"

#define state cassin_service_state

void conn_dirty(struct cassin_conn *c)
{
	if (c->dirty || c->dead)
		return;
	c->dirty = true;
	c->dirty_next = NULL;
	*state.dirty_end = c;
	state.dirty_end = &c->dirty_next;
}

bool cassin_send(struct cassin_conn *c, const void *bytes, size_t len)
{
	conn_dirty(c);
	return conn_append(c, bytes, len);
}

void conn_process(struct cassin_conn *c)
{
	conn_consume(c, state.service, state.input_max);
	conn_dirty(c);
}

void conn_received(struct cassin_conn *c, int32_t result)
{
	c->receiving = false;
	if (c->dead)
		return;
	if (result <= 0) {
		c->closing = true;
		if (result < 0)
			conn_drop_output(c);
		conn_dirty(c);
		return;
	}
	conn_active(c);
	c->full = (uint32_t)result == c->in_size - c->in_len;
	c->in_len += (uint32_t)result;
	conn_reclaim(c);
	conn_process(c);
}

void conn_reclaim(struct cassin_conn *c)
{
	if (!c->flight || c->sending || !state.handed_in)
		return;
	if (c->out || c->flight_size > KEEP_BUFFER) {
		cassin_free(c->flight);
	} else {
		c->out = c->flight;
		c->out_size = c->flight_size;
	}
	c->flight = NULL;
}

static bool submit_piece(struct cassin_conn *c, bool silent)
{
	struct cassin_sqe *sqe = cassin_sqe(CASSIN_OP_SEND, silent ? TAG_NONE : (uint64_t)c | TAG_SEND);
	if (!sqe)
		return false;
	uint32_t left = c->flight_len - c->flight_at;
	sqe->handle = c->handle;
	sqe->addr = (uint64_t)(c->flight + c->flight_at);
	sqe->len = left < CASSIN_IO_MAX ? left : CASSIN_IO_MAX;
	sqe->flags = silent ? CASSIN_SQE_SKIP_SUCCESS : 0;
	c->flight_at += sqe->len;
	return true;
}

static bool may_be_silent(const struct cassin_conn *c)
{
	return !c->stalled && c->out_len <= OUT_HIGH && cassin_window_open(&c->window, &state.windows);
}

/* Sends the output, silently where the window allows. */
static bool submit_output(struct cassin_conn *c)
{
	bool silent = may_be_silent(c);
	c->flight_at = 0;
	c->flight = c->out;
	c->flight_len = c->out_len;
	c->flight_size = c->out_size;
	if (!submit_piece(c, silent)) {
		c->flight = NULL;
		return false;
	}
	c->out = NULL;
	c->out_len = c->out_size = 0;
	if (silent) { /* as far as the window goes who takes it all does not say so */
		cassin_window_sent(&c->window, &state.windows, c->flight_len);
		conn_active(c);
	}
	c->sending = !silent;
	return true;
}

void conn_sent(struct cassin_conn *c, int32_t result)
{
	if (c->dead) { /* what is in flight is freed with it */
		c->sending = false;
		return;
	}
	conn_active(c);
	bool more = result >= 0 && c->flight_at < c->flight_len;
	if (more && submit_piece(c, false))
		return;
	if (result < 0 || more) {
		c->broken = c->closing = true;
		conn_drop_output(c);
	}
	c->sending = false;
	cassin_window_confirmed(&c->window, &state.windows);
	cassin_free(c->flight);
	c->flight = NULL;
	conn_process(c);
}

static bool submit_receive(struct cassin_conn *c)
{
	if (!conn_make_room(c, state.input_max)) {
		c->closing = true;
		return false;
	}
	struct cassin_sqe *sqe = cassin_sqe(CASSIN_OP_RECV, (uint64_t)c | TAG_RECV);
	if (!sqe)
		return false;
	sqe->handle = c->handle;
	sqe->addr = (uint64_t)(c->in_buffer + c->in_len);
	sqe->len = c->in_size - c->in_len;
	c->receiving = true;
	return true;
}

bool conn_flush(struct cassin_conn *c)
{
	conn_reclaim(c);
	if (c->idle)
		conn_drop_output(c);
	else if (c->sending)
		return true;
	if (c->out_len) {
		if (c->flight || !submit_output(c))
			return false;
		if (c->sending)
			return true;
	}
	if (c->closing) {
		struct cassin_sqe *sqe = cassin_sqe(CASSIN_OP_CLOSE, TAG_NONE);
		if (!sqe)
			return false;
		sqe->handle = c->handle;
		sqe->flags = CASSIN_SQE_SKIP_SUCCESS;
		cassin_window_confirmed(&c->window, &state.windows);
		conn_end(c);
		return true;
	}
	return c->receiving || submit_receive(c);
}
