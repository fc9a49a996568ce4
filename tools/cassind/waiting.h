/* SPDX-License-Identifier: MIT */
/*
 * Admission: requests that wait until there is room for their guests, first come, first served. Only the head of the
 * queue tries: at once, soon after a guest has ended, and now and then. On the loop's thread.
 */
#ifndef WAITING_H
#define WAITING_H

#include "daemon.h"

struct waiter {
	struct waiter *next;
	/* To be tried, now: it becomes busy. Ends with waiting_tried() or waiting_leave(). */
	void (*try)(struct waiter *w);
	/* Cancels the guest of that name if it is among those that wait here. */
	bool (*cancel)(struct waiter *w, const char *name);
	bool busy;
};

void waiting_init(struct daemon *d);
/* Ends the timer; nothing is tried from now on. */
void waiting_stop(struct daemon *d);

/* Takes the last place. */
void waiting_join(struct daemon *d, struct waiter *w);
/* The head was tried and is still short of room. */
void waiting_tried(struct daemon *d, struct waiter *w);
/* Gives its place up; the next may try. */
void waiting_leave(struct daemon *d, struct waiter *w);
/* Somebody waits for room: whoever comes now and does not wait is refused with this text. */
#define WAITING_SHORT_TEXT "others wait already until there is room for their guests"
bool waiting_short(const struct daemon *d);
/* A guest has ended or gone: there may be room. */
void waiting_changed(struct daemon *d);
/* Cancels the waiting guest of that name. False: there is none. */
bool waiting_cancel(struct daemon *d, const char *name);

#endif
