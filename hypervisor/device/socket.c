/* SPDX-License-Identifier: MIT */
/* Connections over the host's sockets, TCP and Unix. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/container.h"
#include "device/dial.h"
#include "device/interest.h"
#include "device/stream.h"
#include "guest/descriptors.h"
#include "guest/guest.h"
#include "spec/endpoint.h"

struct socket_stream {
	struct stream stream;
	struct interest interest;
	int fd;
	struct dial *dial; /* connects it, which has no descriptor yet; NULL: nothing does */
	bool drained;      /* the last read took all there was: the loop will tell when there is more */
};

static struct socket_stream *of_interest(struct interest *p)
{
	return CONTAINER_OF(p, struct socket_stream, interest);
}

/* What a guest may hear of the host's errors. */
static int stream_error(int error)
{
	switch (error) {
	case EAGAIN:
	case EINTR:
		return -EAGAIN;
	case EPIPE:
	case ECONNRESET:
	case ECONNREFUSED:
	case EACCES:
	case ENOENT:
	case ENOMEM:
		return -error;
	default:
		return -EIO;
	}
}

static ssize_t socket_read(struct stream *s, const struct iovec *iov, int n)
{
	struct socket_stream *sock = (struct socket_stream *)s;
	size_t size = 0;
	if (sock->drained)
		return -EAGAIN;
	for (int i = 0; i < n; i++)
		size += iov[i].iov_len;
	ssize_t got = readv(sock->fd, iov, n);
	if (got < 0) {
		sock->drained = errno == EAGAIN;
		return stream_error(errno);
	}
	sock->drained = got > 0 && (size_t)got < size;
	return got;
}

static ssize_t socket_write(struct stream *s, const struct iovec *iov, int n)
{
	struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n};
	ssize_t sent = sendmsg(((struct socket_stream *)s)->fd, &message, MSG_NOSIGNAL);
	return sent < 0 ? stream_error(errno) : sent;
}

static int socket_shutdown(struct stream *s)
{
	return shutdown(((struct socket_stream *)s)->fd, SHUT_WR) ? (errno == ENOTCONN ? -ENOTCONN : -EIO) : 0;
}

static void socket_want(struct stream *s, unsigned events)
{
	struct socket_stream *sock = (struct socket_stream *)s;
	if (!sock->dial && !interest_set(&sock->interest, s->guest, sock->fd, events))
		stream_fail(s, -ENOMEM);
}

static void socket_detach(struct stream *s)
{
	interest_end(&((struct socket_stream *)s)->interest);
}

static void socket_close(struct stream *s)
{
	struct socket_stream *sock = (struct socket_stream *)s;
	interest_end(&sock->interest);
	if (sock->dial) {
		dial_give_up(sock->dial);
	} else if (sock->fd >= 0) {
		close(sock->fd);
		descriptors_give(s->guest, 1);
	}
	free(sock);
}

static const struct stream_kind socket_kind = {
	.read = socket_read,
	.write = socket_write,
	.shutdown = socket_shutdown,
	.want = socket_want,
	.detach = socket_detach,
	.close = socket_close,
};

static void connect_ready(struct socket_stream *sock)
{
	int error = 0;
	socklen_t len = sizeof error;
	if (getsockopt(sock->fd, SOL_SOCKET, SO_ERROR, &error, &len))
		error = errno;
	socket_want(&sock->stream, 0);
	stream_connected(&sock->stream, error ? stream_error(error) : 0);
}

static void socket_ready(struct interest *p, unsigned events)
{
	struct socket_stream *sock = of_interest(p);
	if (events & STREAM_READABLE)
		sock->drained = false;
	if (!sock->stream.connecting) {
		stream_event(&sock->stream, events);
		return;
	}
	struct guest *g = sock->stream.guest;
	uint64_t began = guest_work_begin(g);
	connect_ready(sock);
	guest_worked(g, began);
}

static int32_t enter_table(struct guest *g, int fd, struct socket_stream **out)
{
	struct socket_stream *sock = calloc(1, sizeof *sock);
	if (!sock)
		return -ENOMEM;
	sock->fd = fd;
	sock->interest.ready = socket_ready;
	int32_t r = stream_add(g, &sock->stream, &socket_kind);
	if (r < 0) {
		free(sock);
		return r;
	}
	*out = sock;
	return r;
}

int32_t socket_open(struct guest *g, int fd)
{
	struct socket_stream *sock;
	int32_t r = enter_table(g, fd, &sock);
	if (r >= 0)
		atomic_fetch_add_explicit(&g->count.accepted, 1, memory_order_relaxed);
	return r;
}

static void dialled(void *opaque, int fd, int error)
{
	struct socket_stream *sock = opaque;
	sock->dial = NULL;
	sock->fd = fd;
	stream_connected(&sock->stream, error == EAGAIN ? -ECONNREFUSED : error ? stream_error(error) : 0);
}

/* The two of socket_connect(), once the descriptor is granted. */
static int connect_path(struct guest *g, const struct sockaddr_un *address, struct stream **out)
{
	struct socket_stream *sock;
	int32_t number = enter_table(g, -1, &sock);
	if (number < 0)
		return number;
	int r = dial_start(&sock->dial, g, address, dialled, sock);
	if (r)
		stream_remove(&sock->stream);
	else
		*out = &sock->stream;
	return r;
}

static int connect_to(struct guest *g, const struct sockaddr *address, socklen_t len, struct stream **out, bool *done)
{
	struct socket_stream *sock;
	int32_t number = enter_table(g, -1, &sock); /* nobody hears of a connection that has no place there */
	if (number < 0)
		return number;
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1;
	int r = fd < 0 ? EMFILE : 0;
	if (!r) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		r = connect(fd, address, len) ? errno : 0;
	}
	if (r && r != EINPROGRESS) {
		stream_remove(&sock->stream);
		if (fd >= 0)
			close(fd);
		return fd < 0 ? -EMFILE : stream_error(r);
	}
	sock->fd = fd;
	*out = &sock->stream;
	*done = r == 0;
	return 0;
}

int socket_connect(struct guest *g, const char *target, struct stream **out, bool *done)
{
	struct sockaddr_storage address;
	socklen_t len;
	if (endpoint_sockaddr(target, &address, &len))
		return -ENOENT;
	if (descriptors_take(g, 1))
		return -EMFILE;
	int r = address.ss_family == AF_UNIX ? connect_path(g, (struct sockaddr_un *)&address, out)
					     : connect_to(g, (struct sockaddr *)&address, len, out, done);
	if (r)
		descriptors_give(g, 1);
	return r;
}
