/* SPDX-License-Identifier: MIT */
#include "follow.h"

#include "reply.h"

#define FOLLOW_MS 40

static void leave(struct follower *f)
{
	struct connection *c = f->connection;
	struct daemon *d = c->daemon;
	*f->link = f->next;
	if (f->next)
		f->next->link = f->link;
	if (!d->followers)
		uv_timer_stop(&d->follow);
	f->drop(f);
	connection_release(c);
}

static void on_gone(struct connection *c)
{
	struct follower *f = c->user;
	if (f->advancing)
		f->gone = true;
	else
		leave(f);
}

static void on_follow(uv_timer_t *timer)
{
	struct daemon *d = timer->data;
	for (struct follower *f = d->followers, *next; f; f = next) {
		struct connection *c = f->connection;
		next = f->next;
		f->advancing = true;
		bool more = f->advance(f);
		f->advancing = false;
		if (f->gone) {
			leave(f);
		} else if (!more) {
			c->on_gone = NULL;
			stream_end(c);
			leave(f);
		}
	}
}

void follow_start(struct connection *c, struct follower *f, const char *type)
{
	struct daemon *d = c->daemon;
	f->connection = c;
	f->next = d->followers;
	f->link = &d->followers;
	if (f->next)
		f->next->link = &f->next;
	d->followers = f;
	connection_hold(c);
	c->user = f;
	c->on_gone = on_gone;
	c->ends_on_eof = true;
	d->follow.data = d;
	uv_timer_start(&d->follow, on_follow, 0, FOLLOW_MS);
	stream_begin(c, type, "");
}
