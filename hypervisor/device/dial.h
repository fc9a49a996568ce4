/* SPDX-License-Identifier: MIT */
/* Connecting to a Unix socket at a path, which a thread for paths does: the file system there may hang. */
#ifndef DIAL_H
#define DIAL_H

#include <sys/un.h>

struct guest;
struct dial;

/* Begins to connect, with a descriptor of the process that has been granted to g. over(opaque, fd, 0) or over(opaque, -1, errno) is called
 * once by g's owner, later; the descriptor is the callee's then, or given back. -EMFILE: too many of g's are under way. The owner's
 * thread. */
int dial_start(struct dial **out, struct guest *g, const struct sockaddr_un *address,
	       void (*over)(void *opaque, int fd, int error), void *opaque);
/* Nobody wants it any more: over() is not called. */
void dial_give_up(struct dial *d);

#endif
