/* SPDX-License-Identifier: MIT */
/* A connection's buffers, and how its input is shown to the service. Nothing here knows by what means bytes come and go. */
#include "stream_buffers.h"

#define OUT_MOST (1u << 30)

void conn_drop_output(struct cassin_conn *c)
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

bool conn_append(struct cassin_conn *c, const void *bytes, size_t len)
{
	if (c->broken)
		return false;
	if (!cassin_reserve(c, len)) {
		conn_drop_output(c); /* a reply cut short would be taken for a whole one */
		c->broken = c->closing = true;
		return false;
	}
	memcpy(c->out + c->out_len, bytes, len);
	c->out_len += (uint32_t)len;
	return true;
}

void conn_consume(struct cassin_conn *c, const struct cassin_service *service, uint32_t input_max)
{
	c->stalled = false;
	while (c->in_len && !c->closing && !c->stalled) {
		uint32_t used = service->input(c);
		if (!used) {
			c->closing |= c->in_len >= input_max;
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
}

bool conn_make_room(struct cassin_conn *c, uint32_t input_max)
{
	if (!c->in_len && c->in_size > RECV_BUFFER) {
		cassin_free(c->in_buffer);
		c->in = c->in_buffer = NULL;
		c->in_size = 0;
	}
	uint32_t most = c->in_len || RECV_BUFFER > input_max ? input_max : RECV_BUFFER;
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
	return c->in_len < c->in_size;
}
