/* SPDX-License-Identifier: MIT */
/* The head of an HTTP/1.1 request (RFC 9112), parsed in place: slices point into it. */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#define HEAD_MAX 8192u /* longest request head, bytes */

struct slice {
	const char *at;
	uint32_t len;
};

struct request {
	struct slice method, target;
	bool http10;
	bool keep_alive;
	bool expects;    /* a body follows that this server has no use for */
	uint64_t length; /* of the body */
	bool chunked;
	bool has_host;
	bool continues;      /* the client waits for "100 Continue" before it sends the body */
	struct slice fields; /* all field lines of the head, one behind the other */
};

bool slice_is(struct slice s, const char *text);
/* The same, without regard to case; `text` is in lower case. */
bool slice_is_name(struct slice s, const char *text);
/* Cuts off what comes before the next `stop` (all, if there is none) and the stop itself. */
struct slice slice_cut(struct slice *rest, char stop);
struct slice slice_trim(struct slice s);

/* The length of a request head with its empty line; 0: not all here. */
uint32_t request_head_length(const char *in, uint32_t len);
/* Parses a whole head. False: malformed. */
bool request_parse(struct slice head, struct request *r);
/* The path of a target, whose form may be "/path?query" or "http://host/path?query"; empty for another form. */
struct slice request_path(struct slice target);

#endif
