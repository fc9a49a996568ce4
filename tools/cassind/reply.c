/* SPDX-License-Identifier: MIT */
#include "reply.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_MAX 1024
#define ANSWER_SHORT 4096u

static const char *reason(unsigned status)
{
	switch (status) {
#define REASON(number, name, text)                                                                                     \
	case number:                                                                                                   \
		return #text;
		HTTP_STATUS_MAP(REASON)
#undef REASON
	default:
		return "Unknown";
	}
}

static void count(struct connection *c, unsigned status)
{
	c->daemon->requests++;
	if (status >= 400)
		c->daemon->errors++;
}

/* Clients that ask and do not read the answers cannot fill the memory with them. */
static bool too_much(const struct connection *c, size_t len)
{
	return len > ANSWER_SHORT && c->daemon->answer_bytes + len > ANSWERS_BYTES_MAX;
}

void reply_body(struct connection *c, unsigned status, const char *type, const char *headers, char *body, size_t len)
{
	if (c->closed) {
		free(body);
		return;
	}
	if (too_much(c, len)) {
		free(body);
		reply_error(c, 503, "clients have not read %u MiB of answers: try again later",
			    ANSWERS_BYTES_MAX >> 20);
		return;
	}
	char *bytes = malloc(HEAD_MAX + len);
	if (!bytes || (len && !body)) {
		free(bytes);
		free(body);
		connection_close(c);
		return;
	}
	int head = snprintf(bytes, HEAD_MAX,
			    "HTTP/1.1 %u %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: %s\r\n%s\r\n",
			    status, reason(status), type, len, c->keep_alive ? "keep-alive" : "close", headers);
	size_t all = (size_t)head;
	if (!c->head && len) {
		memcpy(bytes + all, body, len);
		all += len;
	}
	free(body);
	count(c, status);
	c->answered = true;
	connection_send(c, bytes, all);
}

void reply_json(struct connection *c, unsigned status, json_t *body)
{
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	json_decref(body);
	size_t len = text ? strlen(text) : 0;
	char *line = text ? realloc(text, len + 2) : NULL;
	if (!line) {
		free(text);
		connection_close(c);
		return;
	}
	memcpy(line + len, "\n", 2);
	reply_body(c, status, "application/json", "", line, len + 1);
}

static void reply_error_v(struct connection *c, unsigned status, const char *format, va_list args)
{
	char text[768];
	vsnprintf(text, sizeof text, format, args);
	json_t *message = json_string(text);
	reply_json(c, status, json_pack("{s:o}", "error", message ? message : json_string(reason(status))));
}

void reply_error(struct connection *c, unsigned status, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	reply_error_v(c, status, format, args);
	va_end(args);
}

void reply_refuse(struct connection *c, unsigned status, const char *format, ...)
{
	va_list args;
	c->phase = CONNECTION_ANSWERING;
	c->keep_alive = false;
	va_start(args, format);
	reply_error_v(c, status, format, args);
	va_end(args);
}

void reply_continue(struct connection *c)
{
	char *line = strdup("HTTP/1.1 100 Continue\r\n\r\n");
	if (line)
		connection_send(c, line, strlen(line));
}

void stream_begin(struct connection *c, const char *type, const char *headers)
{
	char *bytes = malloc(HEAD_MAX);
	if (!c->chunked)
		c->keep_alive = false;
	if (!bytes) {
		connection_close(c);
		return;
	}
	int len = snprintf(bytes, HEAD_MAX, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\n%sConnection: %s\r\n%s\r\n", type,
			   c->chunked ? "Transfer-Encoding: chunked\r\n" : "", c->keep_alive ? "keep-alive" : "close",
			   headers);
	count(c, 200);
	connection_send(c, bytes, (size_t)len);
}

void stream_piece(struct connection *c, const char *bytes, size_t len)
{
	if (c->closed || !len || c->head)
		return;
	char *piece = malloc(len + 32);
	if (!piece) {
		connection_close(c);
		return;
	}
	size_t at = c->chunked ? (size_t)snprintf(piece, 32, "%zx\r\n", len) : 0;
	memcpy(piece + at, bytes, len);
	at += len;
	if (c->chunked) {
		memcpy(piece + at, "\r\n", 2);
		at += 2;
	}
	connection_send(c, piece, at);
}

void stream_json(struct connection *c, json_t *line)
{
	char *text = line ? json_dumps(line, JSON_COMPACT) : NULL;
	size_t len = text ? strlen(text) : 0;
	json_decref(line);
	if (text) {
		text[len] = '\n';
		stream_piece(c, text, len + 1);
	}
	free(text);
}

void stream_end(struct connection *c)
{
	if (c->closed)
		return;
	c->answered = true;
	char *last = strdup(c->chunked && !c->head ? "0\r\n\r\n" : "");
	if (last)
		connection_send(c, last, strlen(last));
	else
		connection_close(c);
}
