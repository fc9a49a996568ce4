/* SPDX-License-Identifier: MIT */
/* Answers. Each is a no-op on a connection whose client has gone. */
#ifndef REPLY_H
#define REPLY_H

#include <jansson.h>

#include "connection.h"

/* One JSON document; `body` is taken over. */
void reply_json(struct connection *c, unsigned status, json_t *body);
/* {"error": "..."} */
void reply_error(struct connection *c, unsigned status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* The same for a request that could not be read to its end: the connection closes after it. */
void reply_refuse(struct connection *c, unsigned status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* A document of any type; body is malloc'd and taken over; headers are whole lines with their CR LF, or "". */
void reply_body(struct connection *c, unsigned status, const char *type, const char *headers, char *body, size_t len);
/* The interim answer that lets a waiting client send its body. */
void reply_continue(struct connection *c);

/* An answer in pieces: the head, any number of pieces (copied), the end. */
void stream_begin(struct connection *c, const char *type, const char *headers);
void stream_piece(struct connection *c, const char *bytes, size_t len);
/* A JSON document on a line of its own; `line` is taken over. */
void stream_json(struct connection *c, json_t *line);
void stream_end(struct connection *c);

#endif
