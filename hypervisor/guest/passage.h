/* SPDX-License-Identifier: MIT */
/*
 * Passages: an incarnation ends, is frozen, or goes to another worker, in bounded pieces. Meanwhile it does not run, nothing is served
 * for it and nothing of it can be waited for: calls are held until the passage is over, operations that are over are held. Every
 * second turn of a worker is for those that pass, whatever their shares and caps, for whoever ends a guest waits for it; all of it is
 * charged to both, so that what comes after it pays. The owner's thread.
 */
#ifndef PASSAGE_H
#define PASSAGE_H

#include <stdbool.h>

#include "guest/post.h"

struct guest;
struct worker;

#define PASSAGE_AT_ONCE 16u /* pieces, before the rest waits for turns */

struct passage {
	/* Does a bounded piece. True: there is more. */
	bool (*step)(struct guest *g);
	/* The passage is over: gives g another state, and after that says passage_over() unless g has gone elsewhere. */
	void (*done)(struct guest *g);
	struct guest *next; /* of its worker's */
};

/* Begins one: g is in no queue. A few pieces are done at once, and `done` is called if they are all. */
void passage_begin(struct guest *g, bool (*step)(struct guest *g), void (*done)(struct guest *g));
/* The calls that were held go on. */
void passage_over(struct guest *g);
/* Has fn run once no passage is under way: now, or when this one is over. */
void passage_then(struct guest *g, struct guest_call *c, void (*fn)(struct guest *g, struct guest_call *c));

/* The guest that has the next turn, if this turn is for one that passes; NULL. It counts until worker_left(). */
struct guest *passage_next(struct worker *w);
/* Gives it a turn, which ends with its slice. False: it is over, and passage_finish() is to be called, after which g may be gone. */
bool passage_run(struct worker *w, struct guest *g);
void passage_finish(struct guest *g);

#endif
