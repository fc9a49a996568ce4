/* SPDX-License-Identifier: MIT */
/* The daemon's sockets: one owner at a time, nothing stale in the way. */
#ifndef LISTEN_H
#define LISTEN_H

#include <cassin/own_file.h>

#include "../common/socket_path.h"

struct listeners {
	struct socket_path path;
	char lock_path[SOCKET_PATH_SIZE + sizeof ".lock"];
	int lock;         /* held while the daemon lives */
	int api, gateway; /* listening, non-blocking, mode 0600 */
	struct cassin_own_file lock_file, api_file, gateway_file;
};

/* Takes the lock, clears sockets that a dead daemon left and listens on both. -EADDRINUSE: a daemon lives there. On
 * failure nothing stays open. The caller closes `api` and `gateway`, or hands them on, before listeners_close(). */
int listeners_open(struct listeners *l, struct cassin_error_text *err);
/* Removes the sockets and gives the lock back. */
void listeners_close(struct listeners *l);

#endif
