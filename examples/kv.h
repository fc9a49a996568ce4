/* SPDX-License-Identifier: MIT */
/* What the files of kv share: requests, replies and the execution of a command. */
#ifndef KV_H
#define KV_H

#include "kv_store.h"

#define KV_ARGS_MAX 1024u
#define KV_OUT_OF_MEMORY "OOM the guest's memory is full"
#define KV_NO_INTEGER "ERR value is not an integer or out of range"
#define KV_SYNTAX "ERR syntax error"

struct request {
	struct cassin_conn *c;
	const struct slice *args; /* args[0] is the command's name */
	uint32_t n;
};

struct command {
	const char *name;
	uint32_t least, most; /* arguments, the name too; most 0: no limit */
	void (*run)(const struct request *r);
};

/* ---- kv_session.c: connections ---- */

/* A connection comes (false: no memory for it) and goes. */
bool session_open(struct cassin_conn *c);
void session_close(struct cassin_conn *c);
/* Carries a command out, or keeps it for EXEC, and replies. n is at least 1. */
void kv_execute(struct cassin_conn *c, const struct slice *args, uint32_t n);

/* ---- kv_commands.c: what works on the data ---- */

/* NULL: there is no such command. */
const struct command *command_find(struct slice name);
size_t command_count(void);

/* ---- kv_reply.c ---- */

/* "-TEXT"; at most 256 bytes. The text begins with an error code in capitals. */
void reply_error(struct cassin_conn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A whole reply, with its mark and its end. */
void reply_text(struct cassin_conn *c, const char *text);
/* ':' and a number, or '*' and how many replies follow. */
void reply_number(struct cassin_conn *c, char mark, long long n);
void reply_bulk(struct cassin_conn *c, struct slice s);
void reply_string(struct cassin_conn *c, const char *s); /* the same, of a text */
void reply_null(struct cassin_conn *c);

/* Whether the text is `name` (in capitals), in capitals or not. */
bool slice_is(struct slice s, const char *name);
bool slice_number(struct slice s, long long *out);

#endif
