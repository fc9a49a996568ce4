/* SPDX-License-Identifier: MIT */
/* Calls to a guest's owner that wait for the answer. Never from a worker's thread. */
#ifndef OWNER_CALL_H
#define OWNER_CALL_H

#include "guest/guest.h"

/* The head of such a call; it stays the caller's. */
struct owner_call {
	struct guest_call call;
	struct cassin_engine *engine;
	bool done;
	int result;
};

/* Has fn run on the thread of g's owner and waits until it has answered; gives the answer. -ENOENT: the spawn of g, which was
 * under way, has failed. */
int call_owner(struct cassin_engine *e, struct guest *g, struct owner_call *w,
	       void (*fn)(struct guest *g, struct guest_call *c));
/* Answers; *w is the caller's again. On the owner's thread, once. */
void owner_answer(struct owner_call *w, int result);

#endif
