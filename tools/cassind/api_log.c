// SPDX-License-Identifier: MIT
/* A guest's console: what is kept of it, and what comes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "reply.h"

#define LOG_REPLY_MAX (64u << 10)
#define FOLLOW_PIECE 4096u
#define FOLLOW_BACKLOG (64u << 10) /* a client that lags by more is not read for; the ring's loss is told */
#define FOLLOW_MS 40

struct follower {
	struct follower *next, **link;
	struct connection *connection;
	uint64_t id, offset;
	bool mid_line;
	bool advancing, gone; /* sending may find that the client has gone */
};

static void follower_drop(struct follower *f)
{
	struct daemon *d = f->connection->daemon;
	*f->link = f->next;
	if (f->next)
		f->next->link = f->link;
	if (!d->followers)
		uv_timer_stop(&d->follow);
	connection_release(f->connection);
	free(f);
}

static void on_gone(struct connection *c)
{
	struct follower *f = c->user;
	if (f->advancing)
		f->gone = true;
	else
		follower_drop(f);
}

static void tell_loss(struct follower *f, uint64_t lost)
{
	char line[96];
	int len = snprintf(line, sizeof line, "%s[cassin: %llu bytes of console output lost]\n",
			   f->mid_line ? "\n" : "", (unsigned long long)lost);
	stream_piece(f->connection, line, (size_t)len);
	f->mid_line = false;
}

/* Sends what is new. False: the guest has gone, or ended with all of its output sent. */
static bool follower_advance(struct follower *f)
{
	struct engine *e = f->connection->daemon->engine;
	struct guest_status s;
	if (engine_guest_status(e, f->id, &s) < 0)
		return false;
	bool ended = s.state == GUEST_EXITED || s.state == GUEST_CRASHED || s.state == GUEST_KILLED;
	while (!f->gone && f->connection->backlog < FOLLOW_BACKLOG) {
		char piece[FOLLOW_PIECE];
		uint64_t lost = 0;
		long n = engine_guest_log(e, f->id, &f->offset, piece, sizeof piece, &lost);
		if (lost)
			tell_loss(f, lost);
		if (n <= 0)
			return n == 0 && !ended;
		stream_piece(f->connection, piece, (size_t)n);
		f->mid_line = piece[n - 1] != '\n';
	}
	return true;
}

static void on_follow(uv_timer_t *timer)
{
	struct daemon *d = timer->data;
	for (struct follower *f = d->followers, *next; f; f = next) {
		struct connection *c = f->connection;
		next = f->next;
		f->advancing = true;
		bool more = follower_advance(f);
		f->advancing = false;
		if (f->gone) {
			follower_drop(f);
		} else if (!more) {
			c->on_gone = NULL;
			stream_end(c);
			follower_drop(f);
		}
	}
}

static void follow(struct connection *c, uint64_t id, uint64_t offset)
{
	struct daemon *d = c->daemon;
	struct follower *f = calloc(1, sizeof *f);
	if (!f) {
		reply_error(c, 507, "no memory for the request");
		return;
	}
	*f = (struct follower){
		.connection = c, .id = id, .offset = offset, .next = d->followers, .link = &d->followers};
	if (f->next)
		f->next->link = &f->next;
	d->followers = f;
	connection_hold(c);
	c->user = f;
	c->on_gone = on_gone;
	c->ends_on_eof = true;
	d->follow.data = d;
	uv_timer_start(&d->follow, on_follow, 0, FOLLOW_MS);
	stream_begin(c, "text/plain; charset=utf-8", "");
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
		long n = engine_guest_log(c->daemon->engine, id, &offset, text + len, LOG_REPLY_MAX - len, &more);
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
