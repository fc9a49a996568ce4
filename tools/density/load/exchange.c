/* SPDX-License-Identifier: MIT */
#include "exchange.h"

#include <string.h>
#include <stdlib.h>

#define ECHO_BYTES 32u

static int on_complete(http_parser *p)
{
	struct exchange *x = p->data;
	x->complete = true;
	return 0;
}

static size_t begin_kv(struct exchange *x, struct job *j, char *request)
{
	char key[16];
	int n, k = snprintf(key, sizeof key, "key%u", (unsigned)(job_draw(j) * j->keys));
	x->set = job_draw(j) < j->set_share;
	if (!x->set) {
		n = snprintf(request, EXCHANGE_REQUEST_MAX, "*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n", k, key);
		return (size_t)n;
	}
	n = snprintf(request, EXCHANGE_REQUEST_MAX, "*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%u\r\n", k, key, j->value_bytes);
	memset(request + n, 'v', j->value_bytes);
	memcpy(request + n + j->value_bytes, "\r\n", 2);
	return (size_t)n + j->value_bytes + 2;
}

size_t exchange_begin(struct exchange *x, struct job *j, bool last, char request[EXCHANGE_REQUEST_MAX])
{
	*x = (struct exchange){.job = j};
	switch (j->kind) {
	case LOAD_HTTP:
		http_parser_init(&x->parser, HTTP_RESPONSE);
		x->parser.data = x;
		return (size_t)snprintf(request, EXCHANGE_REQUEST_MAX, "GET %s HTTP/1.1\r\nHost: guest\r\n%s\r\n",
					j->path, last ? "Connection: close\r\n" : "");
	case LOAD_KV:
		return begin_kv(x, j, request);
	case LOAD_ECHO:
		x->left = ECHO_BYTES;
		x->in_body = true;
		memset(request, 'e', ECHO_BYTES);
		return ECHO_BYTES;
	case LOAD_LATENESS:
		request[0] = '?';
		return 1;
	}
	return 0;
}

static enum exchange_state bad(struct exchange *x, const char *why)
{
	x->why = why;
	return EXCHANGE_BAD;
}

static enum exchange_state feed_http(struct exchange *x, const char *bytes, size_t len)
{
	static const http_parser_settings settings = {.on_message_complete = on_complete};
	size_t used = http_parser_execute(&x->parser, &settings, bytes, len);
	if (x->complete)
		return x->parser.status_code == 200 ? EXCHANGE_DONE : bad(x, "an HTTP status that is not 200");
	return used == len ? EXCHANGE_MORE : bad(x, "a malformed HTTP answer");
}

/* The line of an answer has come: is there more of it? */
static enum exchange_state line_done(struct exchange *x)
{
	x->line[x->line_len] = '\0';
	if (x->job->kind == LOAD_LATENESS) {
		x->reported = strtoull(x->line, NULL, 10);
		return EXCHANGE_DONE;
	}
	if (x->set)
		return strcmp(x->line, "+OK\r") == 0 ? EXCHANGE_DONE : bad(x, "an answer to SET that is not OK");
	if (strcmp(x->line, "$-1\r") == 0)
		return EXCHANGE_DONE;
	if (*x->line != '$' || strtoul(x->line + 1, NULL, 10) != x->job->value_bytes)
		return bad(x, "an answer to GET that is no value of ours");
	x->left = x->job->value_bytes + 2;
	x->in_body = true;
	return EXCHANGE_MORE;
}

enum exchange_state exchange_feed(struct exchange *x, const char *bytes, size_t len)
{
	if (x->job->kind == LOAD_HTTP)
		return feed_http(x, bytes, len);
	while (len) {
		if (x->in_body) {
			size_t n = len < x->left ? len : x->left;
			x->left -= n;
			return x->left ? EXCHANGE_MORE : n == len ? EXCHANGE_DONE : bad(x, "more than was asked for");
		}
		char c = *bytes++;
		len--;
		if (c == '\n') {
			enum exchange_state s = line_done(x);
			if (s != EXCHANGE_MORE)
				return s;
		} else if (x->line_len < sizeof x->line - 1) {
			x->line[x->line_len++] = c;
		} else {
			return bad(x, "a line that is too long");
		}
	}
	return EXCHANGE_MORE;
}
