/* SPDX-License-Identifier: MIT */
/*
 * An HTTP/1.1 connection: one request at a time. Bytes that arrive meanwhile wait in a bounded buffer; the next
 * request is read when the last byte of the answer is out. All on the loop's thread.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <http_parser.h>

#include "daemon.h"

#define REQUEST_HEAD_MAX (16u << 10) /* request line and headers: 431 */
#define REQUEST_TARGET_MAX 2048u     /* 414 */
#define REQUEST_BODY_MAX (1u << 20)  /* 413 */
#define RECEIVE_MS 10000             /* for head and body: 408 */
#define IDLE_MS 60000                /* between requests */
#define STALL_MS 60000               /* a client that does not read its answer */
#define LINGER_MS 2000               /* what a client still sends after a final error is thrown away */

struct request {
	unsigned method; /* enum http_method; HEAD is given as GET */
	char target[REQUEST_TARGET_MAX + 1];
	char *body; /* malloc'd, zero-terminated; NULL when empty */
	size_t body_len;
};

enum connection_phase {
	CONNECTION_IDLE, /* no byte of a request yet */
	CONNECTION_RECEIVING,
	CONNECTION_ANSWERING,
	CONNECTION_LINGERING, /* the last answer is out; waits for the client to close */
};

struct connection {
	uv_pipe_t pipe;
	uv_timer_t timer;
	struct daemon *daemon;
	struct connection *next, **link;
	unsigned refs; /* the open handles, and whoever answers later */
	unsigned handles;
	bool closed;
	enum connection_phase phase;

	char in[REQUEST_HEAD_MAX];
	size_t in_start, in_end;
	bool reading, eof;
	http_parser parser;
	struct request request;
	unsigned refusal; /* status to refuse the request with; 0: none */
	char field[16];   /* name of the header that is being read */
	bool field_ended, expects_continue;
	size_t expect_len; /* how much of "100-continue" the header's value has given */

	bool head, keep_alive, chunked;
	bool lasting;                          /* the request may take long */
	bool answered;                         /* nothing will be added to the answer */
	bool ends_on_eof;                      /* a client that ends its sending side ends this answer */
	size_t backlog;                        /* bytes not yet taken by the client */
	void (*on_gone)(struct connection *c); /* the client went away before the answer was complete */
	void *user;                            /* of whoever answers */
};

/* Accepts from d->api. */
void connection_accept(struct daemon *d);
/* Whether one more request may take long, as this one will: then it is marked so. */
bool connection_may_last(struct connection *c);
/* Closes it; whoever answers hears so by on_gone. */
void connection_close(struct connection *c);
/* Keeps *c valid beyond the handler's return, until the release. */
void connection_hold(struct connection *c);
void connection_release(struct connection *c);

/* Sends bytes (malloc'd, taken over). For reply.c. */
void connection_send(struct connection *c, char *bytes, size_t len);

/* Feeds what has been read to the parser (http_in.c), until a request is complete or more is needed. */
void http_in_start(struct connection *c);
void http_in_feed(struct connection *c);
/* Forgets the request's body. */
void http_in_drop_body(struct connection *c);
/* Forgets the request, ready for the next. */
void http_in_reset(struct connection *c);

#endif
