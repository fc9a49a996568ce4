/* SPDX-License-Identifier: MIT */
#include "stream_private.h"

#define FIRST_BUFFER 1024u
#define KEEP_BUFFER 4096u  /* a larger one is given back once it is empty */
#define RECV_BUFFER 16384u /* grown to while input keeps filling it */
#define OUT_HIGH 65536u    /* output from which input waits; also the longest silent send */
#define OUT_MOST (1u << 30)

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

static void drop_output(struct cassin_conn *c)
{
	cassin_free(c->out);
	c->out = NULL;
	c->out_len = c->out_size = 0;
}

bool cassin_reserve(struct cassin_conn *c, size_t len)
{
	size_t need, size = c->out_size ? c->out_size : FIRST_BUFFER;
	if (__builtin_add_overflow((size_t)c->out_len, len, &need) || need > OUT_MOST)
		return false;
	if (need <= c->out_size)
		return true;
	while (size < need)
		size *= 2;
	char *grown = cassin_realloc(c->out, size);
	if (!grown) {
		size = need;
		grown = cassin_realloc(c->out, size);
	}
	if (!grown)
		return false;
	c->out = grown;
	c->out_size = (uint32_t)size;
	return true;
}

bool cassin_send(struct cassin_conn *c, const void *bytes, size_t len)
{
	conn_dirty(c);
	if (c->broken)
		return false;
	if (!cassin_reserve(c, len)) {
		drop_output(c); /* a reply cut short would be taken for a whole one */
		c->broken = c->closing = true;
		return false;
	}
	memcpy(c->out + c->out_len, bytes, len);
	c->out_len += (uint32_t)len;
	return true;
}

void conn_process(struct cassin_conn *c)
{
	c->stalled = false;
	while (c->in_len && !c->closing && !c->stalled) {
		uint32_t used = state.service->input(c);
		if (!used) {
			c->closing |= c->in_len >= state.input_max;
			break;
		}
		if (used > c->in_len)
			used = c->in_len;
		c->in += used;
		c->in_len -= used;
		c->stalled = c->in_len && c->out_len >= OUT_HIGH;
	}
	if (c->closing)
		c->in_len = 0;
	if (c->in != c->in_buffer)
		memmove(c->in_buffer, c->in, c->in_len);
	c->in = c->in_buffer;
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
			drop_output(c);
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
		drop_output(c);
	}
	c->sending = false;
	cassin_window_confirmed(&c->window, &state.windows);
	cassin_free(c->flight);
	c->flight = NULL;
	conn_process(c);
}

static bool submit_receive(struct cassin_conn *c)
{
	if (!c->in_len && c->in_size > RECV_BUFFER) {
		cassin_free(c->in_buffer);
		c->in = c->in_buffer = NULL;
		c->in_size = 0;
	}
	uint32_t most = c->in_len ? state.input_max : RECV_BUFFER < state.input_max ? RECV_BUFFER : state.input_max;
	uint32_t size = c->in_size ? c->in_size : FIRST_BUFFER / 2;
	if (c->full || c->in_len == c->in_size)
		size *= 2;
	if (size > most)
		size = most > c->in_size ? most : c->in_size;
	if (size > c->in_size) {
		char *grown = cassin_realloc(c->in_buffer, size);
		if (grown) {
			c->in = c->in_buffer = grown;
			c->in_size = size;
		}
	}
	if (c->in_len == c->in_size) { /* no memory for more */
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
		drop_output(c);
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
