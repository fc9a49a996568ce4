/* SPDX-License-Identifier: MIT */
/* One request and its answer in the protocol of the job. */
#ifndef LOAD_EXCHANGE_H
#define LOAD_EXCHANGE_H

#include <http_parser.h>

#include "job.h"

#define EXCHANGE_REQUEST_MAX 66560u

enum exchange_state {
	EXCHANGE_MORE, /* the answer goes on */
	EXCHANGE_DONE,
	EXCHANGE_BAD, /* *why tells */
};

struct exchange {
	const struct job *job;
	const char *why;
	bool set; /* kv */
	/* What has come of an answer that is not HTTP: a line, then `left` bytes. */
	char line[64];
	unsigned line_len;
	size_t left;
	bool in_body;
	uint64_t reported; /* lateness: ns */
	http_parser parser;
	bool complete;
};

/* Writes the next request; its length. `last`: no other follows on this connection. */
size_t exchange_begin(struct exchange *x, struct job *j, bool last, char request[EXCHANGE_REQUEST_MAX]);
enum exchange_state exchange_feed(struct exchange *x, const char *bytes, size_t len);

#endif
