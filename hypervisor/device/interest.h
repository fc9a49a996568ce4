/* SPDX-License-Identifier: MIT */
/* Watches one descriptor on the loop of a guest's worker. The libuv handle is made when first wanted, and changed only
 * when what is wanted changes. */
#ifndef INTEREST_H
#define INTEREST_H

#include <stdbool.h>

struct guest;

struct interest {
	void (*ready)(struct interest *p, unsigned events); /* STREAM_READABLE, STREAM_WRITABLE; may free p */
	struct interest_handle *handle;
	unsigned wanted;
};

/* Watches fd for `events`; 0: for nothing. False: the host refused. */
bool interest_set(struct interest *p, struct guest *g, int fd, unsigned events);
/* Lets the libuv handle go; the descriptor may be closed then. */
void interest_end(struct interest *p);

#endif
