/* SPDX-License-Identifier: MIT */
/* Requests: from bytes to a struct request, within the limits. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "connection.h"
#include "reply.h"
#include "routes.h"

static int refuse(struct connection *c, unsigned status)
{
	c->refusal = status;
	return -1;
}

static int on_url(http_parser *p, const char *at, size_t len)
{
	struct connection *c = p->data;
	size_t have = strlen(c->request.target);
	if (len > REQUEST_TARGET_MAX - have)
		return refuse(c, 414);
	memcpy(c->request.target + have, at, len);
	c->request.target[have + len] = '\0';
	return 0;
}

static int on_field(http_parser *p, const char *at, size_t len)
{
	struct connection *c = p->data;
	if (c->field_ended)
		c->field[0] = '\0';
	c->field_ended = false;
	size_t have = strlen(c->field), room = sizeof c->field - 1 - have;
	size_t take = len < room ? len : room;
	memcpy(c->field + have, at, take);
	c->field[have + take] = '\0';
	return 0;
}

/* A value comes in as many pieces as it is read in. */
static int on_value(http_parser *p, const char *at, size_t len)
{
	struct connection *c = p->data;
	static const char want[] = "100-continue";
	if (strcasecmp(c->field, "expect")) {
		c->field_ended = true;
		return 0;
	}
	if (!c->field_ended)
		c->expect_len = 0;
	c->field_ended = true;
	bool fits = len < sizeof want - c->expect_len && !strncasecmp(at, want + c->expect_len, len);
	c->expect_len = fits ? c->expect_len + len : sizeof want;
	c->expects_continue = c->expect_len == strlen(want);
	return 0;
}

static int on_headers(http_parser *p)
{
	struct connection *c = p->data;
	c->request.method = p->method == HTTP_HEAD ? HTTP_GET : p->method;
	c->head = p->method == HTTP_HEAD;
	p->upgrade = 0;
	if (p->http_major != 1)
		return refuse(c, 400);
	if (p->content_length != UINT64_MAX && p->content_length > REQUEST_BODY_MAX)
		return refuse(c, 413);
	if (c->expects_continue)
		reply_continue(c);
	return 0;
}

static int on_body(http_parser *p, const char *at, size_t len)
{
	struct connection *c = p->data;
	struct request *r = &c->request;
	if (len > REQUEST_BODY_MAX - r->body_len)
		return refuse(c, 413);
	if (len > REQUESTS_BYTES_MAX - c->daemon->request_bytes)
		return refuse(c, 503);
	char *body = realloc(r->body, r->body_len + len + 1);
	if (!body)
		return refuse(c, 503);
	memcpy(body + r->body_len, at, len);
	r->body = body;
	r->body_len += len;
	c->daemon->request_bytes += len;
	body[r->body_len] = '\0';
	return 0;
}

static int on_complete(http_parser *p)
{
	struct connection *c = p->data;
	c->keep_alive = http_should_keep_alive(p);
	c->chunked = p->http_major == 1 && p->http_minor >= 1;
	c->phase = CONNECTION_ANSWERING;
	http_parser_pause(p, 1);
	return 0;
}

void http_in_start(struct connection *c)
{
	http_parser_set_max_header_size(REQUEST_HEAD_MAX);
	http_parser_init(&c->parser, HTTP_REQUEST);
	c->parser.data = c;
}

void http_in_drop_body(struct connection *c)
{
	c->daemon->request_bytes -= c->request.body_len;
	free(c->request.body);
	c->request.body = NULL;
	c->request.body_len = 0;
}

void http_in_reset(struct connection *c)
{
	http_in_drop_body(c);
	c->request.target[0] = '\0';
	c->field[0] = '\0';
	c->field_ended = c->expects_continue = c->answered = c->head = c->ends_on_eof = c->lasting = false;
	http_parser_pause(&c->parser, 0);
}

static void refuse_parsed(struct connection *c, enum http_errno why)
{
	if (why == HPE_HEADER_OVERFLOW)
		reply_refuse(c, 431, "the request's head is longer than %u KiB", REQUEST_HEAD_MAX >> 10);
	else if (c->refusal == 413)
		reply_refuse(c, 413, "the request's body is longer than %u KiB", REQUEST_BODY_MAX >> 10);
	else if (c->refusal == 414)
		reply_refuse(c, 414, "the request's target is longer than %u bytes", REQUEST_TARGET_MAX);
	else if (c->refusal == 400)
		reply_refuse(c, 400, "malformed request: HTTP/1.0 and HTTP/1.1 are understood, HTTP/%u.%u is not",
			     c->parser.http_major, c->parser.http_minor);
	else if (c->refusal)
		reply_refuse(c, c->refusal, "no memory for the request");
	else
		reply_refuse(c, 400, "malformed request: %s", http_errno_description(why));
}

void http_in_feed(struct connection *c)
{
	static const http_parser_settings settings = {
		.on_url = on_url,
		.on_header_field = on_field,
		.on_header_value = on_value,
		.on_headers_complete = on_headers,
		.on_body = on_body,
		.on_message_complete = on_complete,
	};
	if (c->in_start == c->in_end)
		return;
	c->in_start += http_parser_execute(&c->parser, &settings, c->in + c->in_start, c->in_end - c->in_start);
	if (c->in_start == c->in_end)
		c->in_start = c->in_end = 0;
	enum http_errno why = HTTP_PARSER_ERRNO(&c->parser);
	if (why == HPE_OK || c->closed)
		return;
	if (why != HPE_PAUSED) {
		refuse_parsed(c, why);
		return;
	}
	uv_timer_stop(&c->timer);
	routes_answer(c);
}
