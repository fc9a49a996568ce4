/* SPDX-License-Identifier: MIT */
/* Where the daemon and the command line meet. */
#ifndef SOCKET_PATH_H
#define SOCKET_PATH_H

#include <stdbool.h>
#include <sys/un.h>

#include <cassin/spec.h>

#define SOCKET_PATH_SIZE sizeof(((struct sockaddr_un *)0)->sun_path)

struct socket_path {
	char api[SOCKET_PATH_SIZE];     /* HTTP */
	char gateway[SOCKET_PATH_SIZE]; /* the same with ".gw" */
	bool in_tmp;                    /* the default in /tmp, where anyone could have made it first */
};

/* The socket `given` (may be NULL), else $CASSIN_SOCKET, $XDG_RUNTIME_DIR/cassin.sock, /run/cassin.sock for root,
 * /tmp/cassin-UID.sock. -ENAMETOOLONG with a line that tells the limit. */
int socket_path_resolve(const char *given, struct socket_path *out, struct cassin_error_text *err);

/* A connected stream socket (close-on-exec), or -errno as connect(2) tells. */
int socket_path_connect(const char *path);

#endif
