/* SPDX-License-Identifier: MIT */
/*
 * kv [--port N]
 *
 * A key-value server that speaks RESP2, the protocol of redis-cli and redis-benchmark, with pipelining and inline
 * commands. This file takes requests apart; kv_session.c and kv_commands.c carry them out, kv_store.c keeps the data.
 */
#include "kv.h"

#define DEFAULT_PORT 6379
#define LINE_MAX 4096u   /* longest inline command, bytes */
#define BULK_MAX 524288u /* longest argument */
#define INPUT_MAX (1u << 20)
#define IDLE_NS UINT64_C(300000000000) /* clients keep connections in pools */

static struct slice args[KV_ARGS_MAX];

static uint32_t protocol_error(struct cassin_conn *c, const char *what)
{
	reply_error(c, "ERR Protocol error: %s", what);
	c->closing = true;
	return c->in_len;
}

/* The line at `at`, without its end; *next is where the following one begins, 0: its end has not come. */
static struct slice line_at(const struct cassin_conn *c, uint32_t at, uint32_t *next)
{
	const char *from = c->in + at, *end = memchr(from, '\n', c->in_len - at);
	*next = end ? (uint32_t)(end - c->in) + 1 : 0;
	uint32_t len = end ? (uint32_t)(end - from) : 0;
	if (len && from[len - 1] == '\r')
		len--;
	return (struct slice){from, len};
}

/* An inline command: words between blanks. */
static uint32_t inline_command(struct cassin_conn *c)
{
	uint32_t next, n = 0;
	struct slice line = line_at(c, 0, &next);
	if (next ? line.len > LINE_MAX : c->in_len > LINE_MAX)
		return protocol_error(c, "too big inline request");
	for (uint32_t i = 0; next && i < line.len; i++) {
		if (line.at[i] == ' ' || line.at[i] == '\t')
			continue;
		if (n == KV_ARGS_MAX)
			return protocol_error(c, "too many arguments");
		struct slice *word = &args[n++];
		word->at = line.at + i;
		while (i < line.len && line.at[i] != ' ' && line.at[i] != '\t')
			i++;
		word->len = (uint32_t)(line.at + i - word->at);
	}
	if (n)
		kv_execute(c, args, n);
	return next;
}

/* Reads "<mark><number>" at *at, which moves past it. -1: its end has not come; -2: not that, or larger than `most`. */
static long long number_at(const struct cassin_conn *c, uint32_t *at, char mark, long long most)
{
	uint32_t next;
	if (*at == c->in_len)
		return -1;
	struct slice line = line_at(c, *at, &next);
	if (!next)
		return c->in_len - *at > 32 || *line.at != mark ? -2 : -1;
	long long n = line.len && *line.at == mark ? cassin_parse(line.at + 1, line.len - 1) : -1;
	*at = next;
	return n < 0 || n > most ? -2 : n;
}

static uint32_t array_command(struct cassin_conn *c)
{
	uint32_t at = 0;
	if (c->in_len >= 3 && memcmp(c->in, "*-1", 3) == 0) { /* a null array asks for nothing */
		uint32_t next;
		line_at(c, 0, &next);
		return next;
	}
	long long n = number_at(c, &at, '*', KV_ARGS_MAX);
	if (n < 0)
		return n == -1 ? 0 : protocol_error(c, "invalid multibulk length");
	for (long long i = 0; i < n; i++) {
		if (at < c->in_len && c->in[at] != '$')
			return protocol_error(c, "expected '$'");
		long long len = number_at(c, &at, '$', BULK_MAX);
		if (len < 0)
			return len == -1 ? 0 : protocol_error(c, "invalid bulk length");
		if (c->in_len - at < (uint32_t)len + 2)
			return 0;
		args[i] = (struct slice){c->in + at, (uint32_t)len};
		at += (uint32_t)len + 2;
		if (c->in[at - 2] != '\r' || c->in[at - 1] != '\n')
			return protocol_error(c, "expected an end of line after a bulk string");
	}
	if (n)
		kv_execute(c, args, (uint32_t)n);
	return at;
}

static uint32_t input(struct cassin_conn *c)
{
	uint32_t used = *c->in == '*' ? array_command(c) : inline_command(c);
	if (!used && c->in_len == INPUT_MAX)
		return protocol_error(c, "too big request");
	return used;
}

static int usage(void)
{
	cassin_print("usage: kv [--port N]\n");
	return 2;
}

int main(int argc, char **argv)
{
	long long port = DEFAULT_PORT;
	if (argc == 3 && strcmp(argv[1], "--port") == 0)
		port = cassin_parse(argv[2], strlen(argv[2]));
	else if (argc != 1)
		return usage();
	if (port < 1 || port > UINT16_MAX)
		return usage();
	struct cassin_service service = {
		.port = (uint16_t)port,
		.input_max = INPUT_MAX,
		.idle = IDLE_NS,
		.open = session_open,
		.input = input,
		.close = session_close,
		.tick = store_tick,
	};
	int r = store_init();
	if (!r)
		r = cassin_serve(&service);
	if (r)
		cassin_print("kv: port %d: error %d\n", (int)port, -r);
	return r ? 1 : 0;
}
