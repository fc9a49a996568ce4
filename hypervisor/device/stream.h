/* SPDX-License-Identifier: MIT */
/*
 * An open handle: what sockets, listeners and pipes have in common, and what stream_table.c asks of each. All run on the
 * worker that owns the guest.
 */
#ifndef STREAM_H
#define STREAM_H

#include <sys/types.h>
#include <sys/uio.h>

#include "guest/op.h"
#include "guest/work.h"

struct guest;
struct stream;
struct pipe;

#define STREAM_READABLE 1u
#define STREAM_WRITABLE 2u
#define STREAM_PIECES 16 /* of guest memory in one read or write */

struct stream_kind {
	/* Bytes (read: 0 at the end), -EAGAIN, or -errno. NULL: a listener. */
	ssize_t (*read)(struct stream *s, const struct iovec *iov, int n);
	ssize_t (*write)(struct stream *s, const struct iovec *iov, int n);
	int (*shutdown)(struct stream *s);
	/* Serves the ACCEPTs that wait. NULL: no listener. */
	void (*accept)(struct stream *s);
	/* stream_event() is to be called when one of these may succeed; replaces what was wanted before. */
	void (*want)(struct stream *s, unsigned events);
	/* Stops watching: the guest leaves its worker. want() starts again. NULL: watches nothing. */
	void (*detach)(struct stream *s);
	/* Closes and frees it. */
	void (*close)(struct stream *s);
};

struct stream {
	const struct stream_kind *kind;
	struct guest *guest;
	int32_t number;
	bool connecting;           /* the guest does not know the handle yet */
	bool closing;              /* a CLOSE waits for the sends before it */
	uint8_t events;            /* what waits to be tried is for these: STREAM_READABLE, STREAM_WRITABLE; */
	struct work work;          /* and this has it tried */
	struct op_queue receivers; /* RECV, or ACCEPT */
	struct op_queue senders;   /* CONNECT, SEND, SHUTDOWN, CLOSE */
};

/* The open handle that an operation names. NULL: -EBADF. */
struct stream *stream_lookup(struct guest *g, const struct request *request);
/* Makes an operation wait in one of the queues of s. NULL: no memory. */
struct op *stream_queue(struct stream *s, struct op_queue *q, const struct request *request);
/* The same with an operation that was made before there was a stream for it. */
void stream_enqueue(struct stream *s, struct op_queue *q, struct op *op);
/* Takes it out again; and completes it. */
void stream_unqueue(struct op *op);
void stream_finish(struct op *op, int32_t result);
/* Whether the guest was asked to stop: nothing is accepted any more. */
bool streams_stopped(const struct guest *g);
/* Enters s into its guest's table. The number, or -EMFILE, -ENOMEM: s is still the caller's. */
int32_t stream_add(struct guest *g, struct stream *s, const struct stream_kind *kind);
/* Whether another handle may be opened: 0, -EMFILE. */
int stream_room(struct guest *g);
/* The same in a given place, which is free. 0 or negative. */
int32_t stream_add_at(struct guest *g, struct stream *s, const struct stream_kind *kind, int32_t number);
/* Ends it: completes what waits with -ECANCELED, takes it out of the table and closes it. */
void stream_remove(struct stream *s);
/* What was wanted may succeed now: it is tried, at once or as work of the guest (guest/work.h). May free s. */
void stream_event(struct stream *s, unsigned events);
/* Something is left to be tried, in a turn for the guest's work. */
void stream_later(struct stream *s, unsigned events);
/* Ends the CONNECT that waits: 0, or -errno, which removes s. */
void stream_connected(struct stream *s, int result);
/* The stream cannot be watched: all that waits fails. May free s; the last thing that want() does. */
void stream_fail(struct stream *s, int result);
/* What its queues wait for. */
unsigned stream_wanted(const struct stream *s);

/* ACCEPT in one of three ways: the new handle, -EMFILE, -ENOMEM; the file or pipe is taken over only on success. */
int32_t socket_open(struct guest *g, int fd);
int32_t pipe_open(struct guest *g, struct pipe *p, unsigned end);
/* CONNECT: a stream whose CONNECT op is still to be queued; *done says that it is connected already. */
int socket_connect(struct guest *g, const char *target, struct stream **out, bool *done);
int pipe_connect(struct guest *g, const char *name, uint16_t port, struct stream **out);
/* A listener that nobody knows yet; on the host's port when the spec has one. NULL: no memory. */
struct stream *listener_new(struct guest *g, uint16_t port);
extern const struct stream_kind listener_kind;
uint16_t listener_port(const struct stream *s);
/* Its entry in its guest's index by port; and the listener of an entry (NULL: NULL). */
struct indexed *listener_entry(struct stream *s);
struct stream *listener_of(struct indexed *entry);
/* The guest's listener on a port; NULL. */
struct stream *listener_find(struct guest *g, uint16_t port);
/* A connection arrives from within the process: a socket, which is sent `greeting` first (NULL: nothing), or the far end of a pipe.
 * -EAGAIN: too many wait, or there is no memory or no descriptor for it. -EPIPE and the like: it has gone. */
int listener_push(struct stream *s, int fd, const char *greeting, struct pipe *p);
/* A pipe whose far end nobody took. */
void pipe_refuse(struct pipe *p);

/* What starts the operations on handles. */
int32_t stream_listen(struct guest *g, const struct request *request);
int32_t stream_accept(struct guest *g, const struct request *request);
int32_t stream_connect(struct guest *g, const struct request *request);
int32_t stream_recv(struct guest *g, const struct request *request);
int32_t stream_send(struct guest *g, const struct request *request);
int32_t stream_shutdown(struct guest *g, const struct request *request);
int32_t stream_close(struct guest *g, const struct request *request);

/* Host memory on the guest's account, which is bounded, and counted in the pool. -ENOMEM; the guest may wait (guest_starved()). The
 * owner's thread. */
int stream_charge(struct guest *g, size_t bytes);
void stream_discharge(struct guest *g, size_t bytes);
/* g->unread, which is made if there is none yet; before a pipe has its end with g. Its owner's thread. NULL: no memory. */
struct account *stream_unread(struct guest *g);

#endif
