/* SPDX-License-Identifier: MIT */
#include "guest/console_bytes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define OUT_FIRST 256u

/* Both rings are small and bounded, and what a guest says as it ends matters most when memory is short: never refused. */
static void count(struct console *c, int64_t bytes)
{
	if (!c->account)
		return;
	if (bytes > 0)
		account_force(c->account, ACCOUNT_CONSOLES, (uint64_t)bytes);
	else
		account_uncharge(c->account, ACCOUNT_CONSOLES, (uint64_t)-bytes);
}

void console_init(struct console *c)
{
	memset(c, 0, sizeof *c);
	pthread_mutex_init(&c->lock, NULL);
	op_queue_init(&c->readers);
}

void console_destroy(struct console *c)
{
	count(c, -(int64_t)(c->out_size + (c->in ? CONSOLE_INPUT : 0)));
	free(c->out);
	free(c->in);
	pthread_mutex_destroy(&c->lock);
}

/* Offset of the oldest byte kept. */
static uint64_t out_start(const struct console *c)
{
	return c->out_end - (c->out_end < c->out_size ? c->out_end : c->out_size);
}

/* Doubles the ring while all that was ever written is in it (not after a lack of memory made it drop some); offsets
 * then map to the same places again. */
static void grow(struct console *c, size_t len)
{
	uint32_t size = c->out_size ? c->out_size : OUT_FIRST;
	while (size < c->out_end + len && size < CONSOLE_KEPT)
		size *= 2;
	if (size == c->out_size || c->out_end > c->out_size)
		return;
	char *out = malloc(size);
	if (!out)
		return;
	for (uint64_t at = out_start(c); at < c->out_end; at++)
		out[at % size] = c->out[at % c->out_size];
	free(c->out);
	count(c, (int64_t)size - c->out_size);
	c->out = out;
	c->out_size = size;
}

/* Readers look without the lock. */
static void lose(struct console *c, uint64_t bytes)
{
	atomic_fetch_add_explicit(&c->lost, bytes, memory_order_relaxed);
}

void console_write(struct console *c, const char *bytes, size_t len)
{
	pthread_mutex_lock(&c->lock);
	grow(c, len);
	if (!c->out_size) {
		lose(c, len);
		pthread_mutex_unlock(&c->lock);
		return;
	}
	uint64_t before = out_start(c);
	if (len > c->out_size) {
		c->out_end += len - c->out_size;
		bytes += len - c->out_size;
		len = c->out_size;
	}
	while (len) {
		size_t at = c->out_end % c->out_size, n = c->out_size - at;
		n = n < len ? n : len;
		memcpy(c->out + at, bytes, n);
		c->out_end += n;
		bytes += n;
		len -= n;
	}
	lose(c, out_start(c) - before);
	pthread_mutex_unlock(&c->lock);
}

uint64_t console_lost(const struct console *c)
{
	return atomic_load_explicit(&c->lost, memory_order_relaxed);
}

long console_read(struct console *c, uint64_t *offset, char *buf, size_t len, uint64_t *lost)
{
	pthread_mutex_lock(&c->lock);
	uint64_t start = out_start(c);
	*lost = *offset < start ? start - *offset : 0;
	if (*offset < start)
		*offset = start;
	if (*offset > c->out_end)
		*offset = c->out_end;
	size_t n = 0;
	for (; n < len && *offset < c->out_end; n++, ++*offset)
		buf[n] = c->out[*offset % c->out_size];
	pthread_mutex_unlock(&c->lock);
	return (long)n;
}

long console_feed(struct console *c, const char *bytes, size_t len)
{
	pthread_mutex_lock(&c->lock);
	long taken = 0;
	if (!len) {
		c->in_end = true;
	} else {
		if (!c->in && (c->in = malloc(CONSOLE_INPUT)))
			count(c, CONSOLE_INPUT);
		size_t room = c->in ? CONSOLE_INPUT - c->in_len : 0;
		size_t n = len < room ? len : room;
		for (size_t i = 0; i < n; i++)
			c->in[(c->in_start + c->in_len + i) % CONSOLE_INPUT] = bytes[i];
		c->in_len += (uint32_t)n;
		taken = n ? (long)n : -EAGAIN;
	}
	pthread_mutex_unlock(&c->lock);
	return taken;
}

void console_reopen(struct console *c)
{
	pthread_mutex_lock(&c->lock);
	c->in_end = false;
	pthread_mutex_unlock(&c->lock);
}
