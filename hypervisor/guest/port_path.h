/* SPDX-License-Identifier: MIT */
/*
 * The socket of a port at `unix:PATH`. A socket at a path listens once, so one that refuses is closed and its file removed, and to
 * listen again is to bind anew. Its guest's owner says what it wants; a thread for paths (worker/paths.h) sees to it.
 */
#ifndef PORT_PATH_H
#define PORT_PATH_H

#include <cassin/spec.h>

struct guest;
struct port_path;

/* Of the host's memory that one takes. */
size_t port_path_bytes(const char *path);
/* Binds and listens at the path, which is not empty, on the caller's thread. *fd is the caller's. -errno with *err, without the path;
 * then nothing of ours is left there. */
int port_path_open(struct port_path **out, const char *path, int *fd, struct cassin_error_text *err);
/* The guest that it belongs to: whose line of jobs it uses, and whose owner it tells. */
void port_path_belongs(struct port_path *p, struct guest *g);
/* On the owner's thread, from here on. Asks that it listens, or with `asks` false how that went. 0: it does, and *fd is the caller's.
 * -EINPROGRESS: guest_port_settled() is called there later; ask then how it went. -errno with *err: it cannot. -ECANCELED: it was not
 * asked, or has been told to refuse since. */
int port_path_listen(struct port_path *p, bool asks, int *fd, struct cassin_error_text *err);
/* It is to refuse; the caller has closed what it was given. Any thread once no owner does anything with it. */
void port_path_refuse(struct port_path *p);
/* Once no job is left. Removes what is there, on the caller's thread. NULL is fine. */
void port_path_free(struct port_path *p);

#endif
