/* SPDX-License-Identifier: MIT */
/* Any bytes as what an API client sends, in pieces of any size: the daemon's request parser, up to the handlers. */
#include "fuzz.h"

#include "connection.h"
#include "reply.h"
#include "routes.h"
#include "target.h"

void routes_answer(struct connection *c)
{
	struct request *r = &c->request;
	struct target t;
	uint64_t number = 7;
	bool flag;
	MUST(c->phase == CONNECTION_ANSWERING);
	MUST(strlen(r->target) <= REQUEST_TARGET_MAX && r->body_len <= REQUEST_BODY_MAX);
	MUST(!r->body_len || r->body[r->body_len] == 0);
	if (!target_parse(&t, r->target)) {
		MUST(t.nsegments && t.nsegments <= TARGET_SEGMENTS && t.nqueries <= TARGET_QUERIES);
		target_flag(&t, "follow", &flag);
		MUST(target_number(&t, "offset", 1000, &number) || number <= 1000);
	}
}

void reply_refuse(struct connection *c, unsigned status, const char *format, ...)
{
	(void)format;
	MUST(status >= 400 && status < 600);
	c->phase = CONNECTION_LINGERING;
}

void reply_continue(struct connection *c)
{
	MUST(c->phase == CONNECTION_RECEIVING);
}

/* As connection.c does: requests one after another, as long as there is input. */
static void receive(struct connection *c)
{
	while (c->in_start < c->in_end && c->phase != CONNECTION_LINGERING) {
		c->phase = CONNECTION_RECEIVING;
		http_in_feed(c);
		if (c->phase == CONNECTION_ANSWERING) {
			http_in_reset(c);
			c->phase = CONNECTION_IDLE;
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct connection *c = calloc(1, sizeof *c);
	struct daemon daemon = {.request_bytes = 0};
	size_t piece = size ? data[0] + 1u : 1;
	MUST(c);
	c->daemon = &daemon;
	http_in_start(c);
	for (size_t at = 1; at < size && c->phase != CONNECTION_LINGERING; at += piece) {
		size_t n = size - at < piece ? size - at : piece;
		c->in_start = 0;
		c->in_end = n;
		memcpy(c->in, data + at, n);
		receive(c);
	}
	http_in_drop_body(c);
	MUST(!daemon.request_bytes);
	free(c);
	return 0;
}
