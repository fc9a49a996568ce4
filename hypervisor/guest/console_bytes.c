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
}

void console_destroy(struct console *c)
{
	struct console_input *in = atomic_load(&c->input);
	count(c, -(int64_t)(c->out_size + (in && in->bytes ? CONSOLE_INPUT : 0)));
	free(c->out);
	if (in)
		free(in->bytes);
	free(in);
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

struct console_input *console_input(struct console *c)
{
	struct console_input *in = atomic_load(&c->input);
	if (in || !(in = calloc(1, sizeof *in)))
		return in;
	op_queue_init(&in->readers);
	atomic_store(&c->input, in);
	return in;
}

/* Puts bytes where others wait. How many. */
static size_t put(struct console *c, const char *bytes, size_t len)
{
	struct console_input *in = console_input(c);
	if (in && !in->bytes && (in->bytes = malloc(CONSOLE_INPUT)))
		count(c, CONSOLE_INPUT);
	size_t room = in && in->bytes ? CONSOLE_INPUT - in->len : 0;
	size_t n = len < room ? len : room;
	for (size_t i = 0; i < n; i++)
		in->bytes[(in->start + in->len + i) % CONSOLE_INPUT] = bytes[i];
	if (n)
		in->len += (uint32_t)n;
	return n;
}

long console_feed(struct console *c, const char *bytes, size_t len)
{
	pthread_mutex_lock(&c->lock);
	long taken = 0;
	if (!len) {
		c->in_end = true;
	} else {
		size_t n = put(c, bytes, len);
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
