/* SPDX-License-Identifier: MIT */
/* Messages to a guest's owner: whichever worker it belongs to when they arrive. */
#ifndef POST_H
#define POST_H

#include "worker/worker.h"

struct guest;

/* A message to whichever worker owns the guest when it arrives. */
struct guest_call {
	struct message message;
	struct guest *guest;
	void (*fn)(struct guest *g, struct guest_call *c); /* on the owner's thread; frees c or reuses it */
};
/* Any thread. Holds a reference to g until fn has returned. Messages from one thread to a guest that does not move
 * arrive in order. */
void guest_post(struct guest *g, struct guest_call *c, void (*fn)(struct guest *g, struct guest_call *c));
/* The first of a guest's calls, which also makes `w` its worker: no other call can come before it. */
void guest_post_first(struct worker *w, struct guest *g, struct guest_call *c,
		      void (*fn)(struct guest *g, struct guest_call *c));

/* Calls that came, and wait until something about the guest is over. Zeros: none. */
struct held_calls {
	struct guest_call *first, *last;
	struct guest_call release; /* has them carried out, */
	bool released;             /* and is under way: what comes now comes behind them */
};
/* On the owner's thread. hold: has fn run, as guest_post() would, once guest_let_go() was called. let_go: what is held goes on soon, in
 * the order in which it came and before whatever comes later. */
void guest_hold(struct guest *g, struct guest_call *c, void (*fn)(struct guest *g, struct guest_call *c));
void guest_let_go(struct guest *g);

#endif
