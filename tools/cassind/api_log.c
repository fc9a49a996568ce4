/* SPDX-License-Identifier: MIT */
/* A guest's console: what is kept of it, and what comes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "follow.h"
#include "reply.h"

#define LOG_REPLY_MAX (64u << 10)
#define FOLLOW_PIECE 4096u

struct log_follower {
	struct follower follower;
	uint64_t id, offset;
	bool mid_line;
};

static void log_drop(struct follower *f)
{
	free(f);
}

static void tell_loss(struct log_follower *f, uint64_t lost)
{
	char line[96];
	int len = snprintf(line, sizeof line, "%s[cassin: %llu bytes of console output lost]\n",
			   f->mid_line ? "\n" : "", (unsigned long long)lost);
	stream_piece(f->follower.connection, line, (size_t)len);
	f->mid_line = false;
}

/* Sends what is new. False: the guest has gone, or ended with all of its output sent. */
static bool log_advance(struct follower *follower)
{
	struct log_follower *f = (struct log_follower *)follower;
	struct cassin_engine *e = follower->connection->daemon->engine;
	struct cassin_guest_status s;
	if (cassin_engine_guest_status(e, f->id, &s) < 0)
		return false;
	bool ended = s.state == CASSIN_GUEST_EXITED || s.state == CASSIN_GUEST_CRASHED ||
		     s.state == CASSIN_GUEST_KILLED;
	while (!follower->gone && follower->connection->backlog < FOLLOW_BACKLOG) {
		char piece[FOLLOW_PIECE];
		uint64_t lost = 0;
		long n = cassin_engine_guest_log(e, f->id, &f->offset, piece, sizeof piece, &lost);
		if (lost)
			tell_loss(f, lost);
		if (n <= 0)
			return n == 0 && !ended;
		stream_piece(f->follower.connection, piece, (size_t)n);
		f->mid_line = piece[n - 1] != '\n';
	}
	return true;
}

static void follow(struct connection *c, uint64_t id, uint64_t offset)
{
	struct log_follower *f = calloc(1, sizeof *f);
	if (!f) {
		reply_error(c, 507, "no memory for the request");
		return;
	}
	*f = (struct log_follower){.follower = {.advance = log_advance, .drop = log_drop}, .id = id, .offset = offset};
	follow_start(c, &f->follower, "text/plain; charset=utf-8");
}

static void reply_kept(struct connection *c, uint64_t id, uint64_t offset)
{
	char *text = malloc(LOG_REPLY_MAX), headers[160];
	uint64_t lost = 0;
	size_t len = 0;
	if (!text) {
		reply_error(c, 507, "no memory for the log");
		return;
	}
	while (len < LOG_REPLY_MAX) {
		uint64_t more = 0;
		long n = cassin_engine_guest_log(c->daemon->engine, id, &offset, text + len, LOG_REPLY_MAX - len,
						 &more);
		lost += more;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	snprintf(headers, sizeof headers, "Cassin-Log-Next: %llu\r\nCassin-Log-Lost: %llu\r\n",
		 (unsigned long long)offset, (unsigned long long)lost);
	reply_body(c, 200, "text/plain; charset=utf-8", headers, text, len);
}

void api_guest_log(struct connection *c, const struct target *t)
{
	uint64_t id, offset = 0;
	bool follows;
	if (api_guest_find(c, t, &id) < 0)
		return;
	if (target_number(t, "offset", UINT64_MAX, &offset) < 0)
		reply_error(c, 400, "offset: must be a number");
	else if (target_flag(t, "follow", &follows) < 0)
		reply_error(c, 400, "follow: must be 0 or 1");
	else if (follows && !c->head)
		follow(c, id, offset);
	else
		reply_kept(c, id, offset);
}
