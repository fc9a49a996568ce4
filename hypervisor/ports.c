/* SPDX-License-Identifier: MIT */
/* The host endpoints of a guest: bound at spawn, listening across its restarts. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "endpoint.h"
#include "streams.h"

#define BACKLOG 512

/* Removes the socket file of a process that is gone. False: somebody has it, or it is no socket. A datagram socket asks: to
 * whoever listens there that is the wrong type, and no connection. */
static bool unlink_stale(const struct sockaddr *address, socklen_t len, const char *path)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	bool stale = connect(fd, address, len) && errno == ECONNREFUSED;
	close(fd);
	return stale && !unlink(path);
}

static int bind_listen(int fd, const struct sockaddr *address, socklen_t len, const char *path)
{
	int one = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (!*path)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* its connections inherit it */
	int r = bind(fd, address, len) ? -errno : 0;
	if (r == -EADDRINUSE && *path && unlink_stale(address, len, path))
		r = bind(fd, address, len) ? -errno : 0;
	return !r && listen(fd, BACKLOG) ? -errno : r;
}

static int open_one(struct port *p, const struct guest_port *want)
{
	struct sockaddr_storage address;
	socklen_t len;
	int r = endpoint_sockaddr(want->host, &address, &len);
	if (r)
		return r;
	p->guest = want->guest;
	p->fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd < 0)
		return -errno;
	const char *path = address.ss_family == AF_UNIX ? ((struct sockaddr_un *)&address)->sun_path : "";
	r = bind_listen(p->fd, (struct sockaddr *)&address, len, path);
	if (r) {
		close(p->fd);
		p->fd = -1;
		return r;
	}
	memcpy(p->unix_path, path, strlen(path) + 1);
	return 0;
}

static int refused(const struct guest_spec *spec, size_t i, int r, struct cassin_error_text *err)
{
	return error_set(err, r, "%s: port %s: %s", spec->name, spec->ports[i].host,
			 r == -EADDRINUSE ? "already in use" : strerror(-r));
}

int ports_open(const struct guest_spec *spec, struct port **ports, struct cassin_error_text *err)
{
	*ports = NULL;
	if (!spec->nports)
		return 0;
	struct port *all = calloc(spec->nports, sizeof *all);
	if (!all)
		return error_set(err, -ENOMEM, "%s: no memory", spec->name);
	for (size_t i = 0; i < spec->nports; i++) {
		int r = open_one(&all[i], &spec->ports[i]);
		if (r) {
			ports_close(all, i);
			return refused(spec, i, r, err);
		}
	}
	*ports = all;
	return 0;
}

static void close_one(struct port *p)
{
	if (p->fd < 0)
		return;
	close(p->fd);
	p->fd = -1;
	if (p->unix_path[0])
		unlink(p->unix_path);
}

void ports_close(struct port *ports, size_t n)
{
	for (size_t i = 0; ports && i < n; i++)
		close_one(&ports[i]);
	free(ports);
}

void ports_refuse(struct port *ports, size_t n)
{
	for (size_t i = 0; ports && i < n; i++) {
		if (ports[i].unix_path[0])
			close_one(&ports[i]);
		else
			shutdown(ports[i].fd, SHUT_RD); /* tcp(7): a listening socket goes back to being bound */
	}
}

int ports_resume(struct port *ports, const struct guest_spec *spec, struct cassin_error_text *err)
{
	for (size_t i = 0; ports && i < spec->nports; i++) {
		int r = ports[i].fd < 0                ? open_one(&ports[i], &spec->ports[i])
			: listen(ports[i].fd, BACKLOG) ? -errno
						       : 0;
		if (r) {
			ports_refuse(ports, spec->nports);
			return refused(spec, i, r, err);
		}
	}
	return 0;
}
