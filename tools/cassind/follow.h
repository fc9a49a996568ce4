/* SPDX-License-Identifier: MIT */
/* Answers that go on: pieces are sent as there is something new, until nothing more will come or the client goes. */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "connection.h"

#define FOLLOW_BACKLOG (64u << 10) /* to a client that lags by more, nothing is added */

struct follower {
	struct follower *next, **link;
	struct connection *connection;
	bool (*advance)(struct follower *f); /* sends what is new; false: that was all */
	void (*drop)(struct follower *f);    /* frees it; the answer is over */
	bool advancing, gone;                /* sending may find that the client has gone; it is dropped afterwards */
};

/* Begins the answer to c with f, whose two functions are set. */
void follow_start(struct connection *c, struct follower *f, const char *type);

#endif
