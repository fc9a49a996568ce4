/* SPDX-License-Identifier: MIT */
/*
 * Admission: requests that wait until there is room for their guests, in each domain first come, first served. Only the head of a
 * domain tries: at once, soon after a guest has ended, and now and then; and not while one before it lacks a place among as many guests
 * as may run, which are for all domains. On the loop's thread.
 */
#ifndef WAITING_H
#define WAITING_H

#include "daemon.h"

enum waiter_lacks { LACKS_NOTHING, LACKS_MEMORY, LACKS_PLACES };

struct waiter {
	struct waiter *next;
	const char *domain;
	/* To be tried, now: it becomes busy. Ends with waiting_tried() or waiting_leave(). */
	void (*try)(struct waiter *w);
	/* Cancels the guest of that name if it is among those that wait here. */
	bool (*cancel)(struct waiter *w, const char *name);
	bool busy, head;         /* it is tried now; is the first of its domain */
	enum waiter_lacks lacks; /* as the last try has shown, or the one before it had */
	unsigned changes;        /* of guests, when it was last tried */
};

void waiting_init(struct daemon *d);
/* Ends the timer; nothing is tried from now on. */
void waiting_stop(struct daemon *d);

/* Takes the last place; w->domain is set. */
void waiting_join(struct daemon *d, struct waiter *w);
/* A head was tried and still lacks this. */
void waiting_tried(struct daemon *d, struct waiter *w, enum waiter_lacks what);
/* Gives its place up; the next may try. */
void waiting_leave(struct daemon *d, struct waiter *w);
/* Somebody waits for what a guest of this domain (NULL: "default") would take: whoever comes now and does not wait is refused with
 * this text. */
#define WAITING_SHORT_TEXT "others wait already until there is room for their guests"
bool waiting_short(const struct daemon *d, const char *domain);
/* A guest has ended or gone: there may be room. */
void waiting_changed(struct daemon *d);
/* Cancels the waiting guest of that name. False: there is none. */
bool waiting_cancel(struct daemon *d, const char *name);

#endif
