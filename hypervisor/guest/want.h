/* SPDX-License-Identifier: MIT */
/*
 * Guests that wait for memory. Who finds the pool full in a guest's turn, or in work for it, does not fail: the guest waits, with what
 * it was at undone and to be done again, until pages are kept for it (base/pool.h), and goes on in its next turn. While it waits it has
 * no turns, nothing is served for it, operations that are over are held. After the pool's patience it has one more try, in which a
 * full pool is what it would have been at once. The owner's thread.
 */
#ifndef GUEST_WANT_H
#define GUEST_WANT_H

#include "base/pool.h"
#include "guest/post.h"

struct guest;

/* Made when a guest first waits. */
struct guest_want {
	struct want want;
	struct guest *guest;
	struct guest_call call; /* tells that it is served, */
	bool told;              /* and is under way */
	bool waits;
	bool served;    /* its next turn takes what is kept for it, */
	bool spends;    /* and is that turn */
	bool late;      /* it waits no more: the patience is over */
	uint64_t since; /* when the wait began that is not over yet, monotonic ns; 0: there is none */
	uint64_t pages; /* that it asked for last */
};

/* Whether `error` came of the pool's being full and what was tried is to be tried again: g waits then. */
bool guest_starved(struct guest *g, int error);
/* A turn of g begins, of its own or for its work; and is over: what was kept for it is free again, unless its own, or more of its
 * waking, is still to come. */
void guest_want_begin(struct guest *g);
void guest_want_end(struct guest *g);
/* g, which waits, has waited until its deadline. */
void guest_want_fire(struct guest *g);
/* When it is to be looked at, if it waits for nothing else. */
uint64_t guest_want_until(const struct guest *g);
/* The incarnation ends. */
void guest_want_forget(struct guest *g);
/* The pool's `serve`. Any thread. */
void guest_want_serve(void *opaque, struct want *w);
#endif
