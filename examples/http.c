/* SPDX-License-Identifier: MIT */
/*
 * http [--port N] [--crash-route] [--document BYTES]
 *
 * A small HTTP/1.1 server (RFC 9112): keep-alive and pipelining, GET and HEAD, a page at / and figures about itself as
 * JSON at /status. With --crash-route, /crash writes to address 0, to show what a crash looks like. With --document,
 * there is a text of so many bytes at /document.
 */
#include <cassin/guest.h>

#include "http_request.h"

#define DEFAULT_PORT 80
#define STATUS_MAX 768u
#define DOCUMENT_MAX (1u << 24)
#define LINE_BYTES 72u

/* A connection's `data`, as a number: bytes of the last request's body that are still to be skipped. */
static uint64_t body_left(const struct cassin_conn *c)
{
	return (uint64_t)c->data;
}

static bool crash_route;
static uint64_t requests;
static struct slice document; /* empty: there is none */

static const char page[] =
	"<!doctype html>\n"
	"<html lang=\"en\">\n"
	"<head><meta charset=\"utf-8\"><title>A Cassin guest</title></head>\n"
	"<body>\n"
	"<h1>It runs</h1>\n"
	"<p>This page comes from a virtual machine of a few pages of memory. <a href=\"/status\">Its figures</a>.</p>\n"
	"</body>\n"
	"</html>\n";

static void reply(struct cassin_conn *c, const struct request *r, const char *status, const char *type,
		  const char *body, size_t len)
{
	char head[256];
	int n = cassin_format(head, sizeof head,
			      "HTTP/1.1 %s\r\nServer: cassin\r\nContent-Type: %s\r\nContent-Length: %zu\r\n%s%s\r\n",
			      status, type, len, strncmp(status, "405", 3) == 0 ? "Allow: GET, HEAD\r\n" : "",
			      !r->keep_alive ? "Connection: close\r\n"
			      : r->http10    ? "Connection: keep-alive\r\n"
					     : "");
	cassin_send(c, head, (size_t)n);
	if (!slice_is(r->method, "HEAD"))
		cassin_send(c, body, len);
	if (!r->keep_alive)
		c->closing = true;
}

static void reply_error(struct cassin_conn *c, const struct request *r, const char *status)
{
	char body[64];
	int n = cassin_format(body, sizeof body, "%s\n", status);
	reply(c, r, status, "text/plain", body, (size_t)n);
}

/* A name as a JSON string's content: escapes what may not stand there. */
static void escape(char *to, size_t size, const char *from)
{
	size_t n = 0;
	for (; *from && n + 7 < size; from++) {
		if (*from == '"' || *from == '\\')
			to[n++] = '\\';
		if ((unsigned char)*from < ' ')
			n += (size_t)cassin_format(to + n, size - n, "\\u%04x", (unsigned)*from);
		else
			to[n++] = *from;
	}
	to[n] = 0;
}

static void reply_status(struct cassin_conn *c, const struct request *r)
{
	struct cassin_info info;
	char name[160], body[STATUS_MAX];
	cassin_info(&info);
	escape(name, sizeof name, cassin_name());
	uint64_t memory = (info.pages_used + info.table_pages) * CASSIN_PAGE_SIZE;
	int n = cassin_format(
		body, sizeof body,
		"{\"name\":\"%s\",\"uptime_ns\":%llu,\"virtual_ns\":%llu,\"requests\":%llu,"
		"\"connections\":%u,\"memory\":%llu,\"exits\":%llu,\"hypercalls\":%llu,\"restarts\":%llu}\n",
		name, (unsigned long long)(cassin_now() - info.started_at), (unsigned long long)info.virtual_ns,
		(unsigned long long)requests, cassin_connections(), (unsigned long long)memory,
		(unsigned long long)info.exits, (unsigned long long)info.hypercalls, (unsigned long long)info.restarts);
	reply(c, r, "200 OK", "application/json", body, (size_t)n);
}

static __attribute__((noinline)) void crash(void)
{
	cassin_print("/crash: writing to address 0\n");
	__asm__ volatile("movl $0, (%0)" : : "r"(0UL) : "memory");
}

static void answer(struct cassin_conn *c, struct request *r)
{
	struct slice path = request_path(r->target);
	if (!slice_is(r->method, "GET") && !slice_is(r->method, "HEAD"))
		reply_error(c, r, "405 Method Not Allowed");
	else if (slice_is(path, "/"))
		reply(c, r, "200 OK", "text/html", page, sizeof page - 1);
	else if (slice_is(path, "/status"))
		reply_status(c, r);
	else if (slice_is(path, "/document") && document.len)
		reply(c, r, "200 OK", "text/plain", document.at, document.len);
	else if (slice_is(path, "/crash") && crash_route)
		crash();
	else
		reply_error(c, r, "404 Not Found");
}

static uint32_t skip_body(struct cassin_conn *c)
{
	uint64_t left = body_left(c);
	uint32_t n = left < c->in_len ? (uint32_t)left : c->in_len;
	c->data = (void *)(left - n);
	return n;
}

static uint32_t input(struct cassin_conn *c)
{
	struct request r = {.keep_alive = false};
	if (body_left(c))
		return skip_body(c);
	if (*c->in == '\r' || *c->in == '\n') /* RFC 9112, 2.2: empty lines before a request are ignored */
		return 1;
	uint32_t len = request_head_length(c->in, c->in_len);
	if (len > HEAD_MAX || (!len && c->in_len >= HEAD_MAX)) {
		reply_error(c, &r, "431 Request Header Fields Too Large");
		return c->in_len;
	}
	if (!len)
		return 0;
	requests++;
	if (!request_parse((struct slice){c->in, len}, &r)) {
		r.keep_alive = false;
		reply_error(c, &r, "400 Bad Request");
		return len;
	}
	if (r.chunked) /* where such a body ends is not looked for */
		r.keep_alive = false;
	c->data = (void *)r.length;
	answer(c, &r);
	return len;
}

/* Lines of letters, drawn so that they do not repeat. */
static bool write_document(uint32_t len)
{
	char *text = cassin_alloc(len);
	uint32_t drawn = 1;
	if (!text)
		return false;
	for (uint32_t i = 0; i < len; i++) {
		drawn = drawn * 1664525 + 1013904223;
		text[i] = i % LINE_BYTES == LINE_BYTES - 1 || i == len - 1 ? '\n' : (char)('a' + (drawn >> 16) % 26);
	}
	document = (struct slice){text, len};
	return true;
}

static int usage(void)
{
	cassin_print("usage: http [--port N] [--crash-route] [--document BYTES]\n");
	return 2;
}

int main(int argc, char **argv)
{
	long long port = DEFAULT_PORT, bytes = 0;
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--crash-route") == 0)
			crash_route = true;
		else if (strcmp(argv[i], "--port") == 0 && i + 1 < argc && ++i)
			port = cassin_parse(argv[i], strlen(argv[i]));
		else if (strcmp(argv[i], "--document") == 0 && i + 1 < argc && ++i)
			bytes = cassin_parse(argv[i], strlen(argv[i]));
		else
			return usage();
	}
	if (port < 1 || port > UINT16_MAX || bytes < 0 || bytes > DOCUMENT_MAX)
		return usage();
	if (bytes && !write_document((uint32_t)bytes)) {
		cassin_print("http: no memory for a document of %lld bytes\n", bytes);
		return 1;
	}
	struct cassin_service service = {.port = (uint16_t)port, .input_max = HEAD_MAX, .input = input};
	int r = cassin_serve(&service);
	if (r)
		cassin_print("http: port %d: error %d\n", (int)port, -r);
	return r ? 1 : 0;
}
