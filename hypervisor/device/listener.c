/* SPDX-License-Identifier: MIT */
/* Listeners: connections from a host port, from the gateway, and from other guests. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "base/time.h"
#include "device/interest.h"
#include "device/stream.h"
#include "guest/descriptors.h"
#include "guest/guest.h"
#include "guest/ports.h"

#define WAITING_MOST 128u
#define WAITING_COST 512u /* of host memory: a pipe that nobody has accepted, whose maker may have closed it */
#define STARVED_NS UINT64_C(100000000) /* until the host may have descriptors again */

/* A connection that came from within the process and waits to be accepted. */
struct arrival {
	struct arrival *next;
	int fd;
	struct pipe *pipe; /* NULL: the socket */
};

struct listener {
	struct stream stream;
	struct interest interest;
	struct indexed by_port;  /* in its guest's index */
	const struct port *host; /* the port of the host behind it, the guest's as long as it exists; NULL: none */
	uint16_t port;
	uint16_t waiting; /* connections */
	struct arrival *first, **last;
};

static bool host_listens(const struct listener *l)
{
	return l->host && l->host->fd >= 0;
}

static bool starved(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS;
}

/* A pipe waits on the account of what peers leave: whoever has closed its other end owes nothing any more. NULL: too many wait. */
static struct arrival *arrival_new(struct listener *l, int fd, struct pipe *p)
{
	struct account *left = p ? stream_unread(l->stream.guest) : NULL;
	if (l->waiting >= WAITING_MOST || (p && (!left || account_charge(left, ACCOUNT_STREAMS, WAITING_COST))))
		return NULL;
	struct arrival *a = malloc(sizeof *a);
	if (a)
		*a = (struct arrival){NULL, fd, p};
	else if (p)
		account_uncharge(left, ACCOUNT_STREAMS, WAITING_COST);
	return a;
}

static void arrival_free(struct listener *l, struct arrival *a)
{
	if (a->pipe)
		account_uncharge(atomic_load(&l->stream.guest->unread), ACCOUNT_STREAMS, WAITING_COST);
	free(a);
}

static int32_t accept_arrival(struct listener *l)
{
	struct arrival *a = l->first;
	struct guest *g = l->stream.guest;
	int32_t r = a->pipe ? pipe_open(g, a->pipe, 1) : socket_open(g, a->fd);
	if (r < 0)
		return r;
	l->first = a->next;
	if (!l->first)
		l->last = &l->first;
	l->waiting--;
	arrival_free(l, a);
	return r;
}

/* Accepts on the host's socket, which grants the descriptor. -EAGAIN, -EBUSY: the process has none left. */
static int accept_descriptor(int listening)
{
	for (;;) {
		int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0)
			return fd;
		if (errno != EINTR && errno != ECONNABORTED)
			return starved(errno) ? -EBUSY : -EAGAIN;
	}
}

/* What the host has accepted, and cannot become a handle now, is the next that is. */
static bool keep_first(struct listener *l, int fd)
{
	struct arrival *a = arrival_new(l, fd, NULL);
	if (!a)
		return false;
	a->next = l->first;
	l->first = a;
	if (!a->next)
		l->last = &a->next;
	l->waiting++;
	return true;
}

static int32_t accept_host(struct listener *l)
{
	struct guest *g = l->stream.guest;
	if (descriptors_take(g, 1))
		return -EBUSY; /* it waits in the host's queue */
	int fd = accept_descriptor(l->host->fd);
	int32_t r = fd < 0 ? fd : socket_open(g, fd);
	if (r == -ENOMEM && keep_first(l, fd))
		return r;
	if (r < 0)
		descriptors_give(g, 1);
	if (r < 0 && fd >= 0)
		close(fd);
	return r;
}

static int32_t accept_one(struct listener *l)
{
	int r = stream_room(l->stream.guest);
	if (r)
		return r;
	if (l->first)
		return accept_arrival(l);
	return host_listens(l) ? accept_host(l) : -EAGAIN;
}

static void on_patience(struct deadline *d)
{
	struct op *op = CONTAINER_OF(d, struct op, deadline);
	struct stream *s = op->device;
	stream_event(s, STREAM_READABLE);
}

static void listener_want(struct stream *s, unsigned events)
{
	struct listener *l = (struct listener *)s;
	if (host_listens(l) && !interest_set(&l->interest, s->guest, l->host->fd, events))
		stream_fail(s, -ENOMEM);
}

/* Only what is there when it begins: an ACCEPT that comes later is served by its own call. */
static void listener_accept(struct stream *s)
{
	struct listener *l = (struct listener *)s;
	bool asked = s->receivers.first;
	while (s->receivers.first) {
		struct op *op = s->receivers.first;
		int32_t r = accept_one(l);
		if (r == -EBUSY) {
			op->deadline.fire = on_patience;
			op_deadline(op, monotonic_ns() + STARVED_NS);
			listener_want(s, 0);
			return;
		}
		if (r == -EAGAIN)
			break;
		if (guest_starved(s->guest, r)) {
			stream_later(s, STREAM_READABLE);
			return;
		}
		op_dequeue(&s->receivers, op);
		op_complete(op, r);
		if (s->receivers.first && !work_goes_on(s->guest)) {
			stream_later(s, STREAM_READABLE);
			return;
		}
	}
	/* Interest is kept for the ACCEPT that usually follows, until a connection comes that nobody asked for. */
	listener_want(s, asked ? STREAM_READABLE : 0);
}

static void listener_ready(struct interest *p, unsigned events)
{
	struct listener *l = CONTAINER_OF(p, struct listener, interest);
	stream_event(&l->stream, events);
}

static void listener_detach(struct stream *s)
{
	interest_end(&((struct listener *)s)->interest);
}

static void listener_close(struct stream *s)
{
	struct listener *l = (struct listener *)s;
	interest_end(&l->interest);
	while (l->first) {
		struct arrival *a = l->first;
		l->first = a->next;
		if (a->pipe) {
			pipe_refuse(a->pipe);
		} else {
			close(a->fd);
			descriptors_give(s->guest, 1);
		}
		arrival_free(l, a);
	}
	free(l);
}

const struct stream_kind listener_kind = {
	.accept = listener_accept,
	.want = listener_want,
	.detach = listener_detach,
	.close = listener_close,
};

struct stream *listener_new(struct guest *g, uint16_t port)
{
	struct listener *l = calloc(1, sizeof *l);
	if (!l)
		return NULL;
	l->port = port;
	l->last = &l->first;
	l->interest.ready = listener_ready;
	for (size_t i = 0; i < g->spec.nports; i++) {
		if (g->ports[i].guest == port)
			l->host = &g->ports[i];
	}
	return &l->stream;
}

uint16_t listener_port(const struct stream *s)
{
	return ((const struct listener *)s)->port;
}

struct indexed *listener_entry(struct stream *s)
{
	return &((struct listener *)s)->by_port;
}

struct stream *listener_of(struct indexed *entry)
{
	return entry ? &CONTAINER_OF(entry, struct listener, by_port)->stream : NULL;
}

/* A worker waits for no client. */
static int make_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags < 0)
		return -EPIPE;
	return !(flags & O_NONBLOCK) && fcntl(fd, F_SETFL, flags | O_NONBLOCK) ? -EPIPE : 0;
}

/* What a socket must have before its bytes are the guest's: a descriptor, and the greeting sent. */
static int welcome(struct guest *g, int fd, const char *greeting)
{
	if (make_nonblocking(fd))
		return -EPIPE;
	if (descriptors_take(g, 1))
		return -EAGAIN;
	if (!greeting || send(fd, greeting, strlen(greeting), MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)strlen(greeting))
		return 0;
	descriptors_give(g, 1);
	return -EPIPE;
}

int listener_push(struct stream *s, int fd, const char *greeting, struct pipe *p)
{
	struct listener *l = (struct listener *)s;
	struct arrival *a = arrival_new(l, fd, p);
	int r = !a ? -EAGAIN : p ? 0 : welcome(s->guest, fd, greeting);
	if (r) {
		free(a); /* of a socket */
		return r;
	}
	*l->last = a;
	l->last = &a->next;
	l->waiting++;
	if (s->receivers.first)
		listener_accept(s);
	return 0;
}
