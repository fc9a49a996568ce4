/* SPDX-License-Identifier: MIT */
#include "guest/ports.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest/guest.h"
#include "guest/port_path.h"
#include "spec/endpoint.h"

static int failed(int r, struct cassin_error_text *why)
{
	return cassin_error_set(why, r, "%s", r == -EADDRINUSE ? "already in use" : strerror(-r));
}

static int open_tcp(struct port *p, const struct sockaddr *address, socklen_t len, struct cassin_error_text *why)
{
	int one = 1;
	p->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd < 0)
		return failed(-errno, why);
	setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(p->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* its connections inherit it */
	if (!bind(p->fd, address, len) && !listen(p->fd, PORT_BACKLOG))
		return 0;
	int r = failed(-errno, why);
	close(p->fd);
	p->fd = -1;
	return r;
}

static int open_one(struct port *p, const struct cassin_guest_port *want, struct cassin_error_text *why)
{
	struct sockaddr_storage address;
	socklen_t len;
	int r = endpoint_sockaddr(want->host, &address, &len);
	p->fd = -1;
	p->guest = want->guest;
	if (r)
		return failed(r, why);
	if (address.ss_family == AF_UNIX)
		return port_path_open(&p->at, ((struct sockaddr_un *)&address)->sun_path, &p->fd, why);
	return open_tcp(p, (struct sockaddr *)&address, len, why);
}

uint64_t ports_bytes(const struct cassin_guest_spec *spec)
{
	uint64_t n = spec->nports * sizeof(struct port);
	for (size_t i = 0; i < spec->nports; i++)
		n += endpoint_is_path(spec->ports[i].host) ? port_path_bytes(spec->ports[i].host) : 0;
	return n;
}

int ports_open(struct guest *g, struct port **ports, struct cassin_error_text *err)
{
	size_t n = g->spec.nports;
	*ports = NULL;
	if (!n)
		return 0;
	struct port *all = calloc(n, sizeof *all);
	if (!all)
		return cassin_error_set(err, -ENOMEM, "%s: no memory", g->spec.name);
	for (size_t i = 0; i < n; i++) {
		struct cassin_error_text why;
		int r = open_one(&all[i], &g->spec.ports[i], &why);
		if (r) {
			ports_free(all, i);
			return cassin_error_set(err, r, "%s: port %s: %s", g->spec.name, g->spec.ports[i].host,
						why.text);
		}
		if (all[i].at)
			port_path_belongs(all[i].at, g);
	}
	*ports = all;
	return 0;
}

/* One that is closed is not touched: its owner may look at it. */
static void close_fd(struct port *p)
{
	if (p->fd < 0)
		return;
	close(p->fd);
	p->fd = -1;
}

void port_refuse(struct port *port)
{
	if (port->at) {
		close_fd(port);
		port_path_refuse(port->at);
	} else {
		shutdown(port->fd, SHUT_RD); /* tcp(7): a listening socket goes back to being bound */
	}
}

int port_listen(struct port *port, bool asks, struct cassin_error_text *err)
{
	if (port->at)
		return port->fd >= 0 ? 0 : port_path_listen(port->at, asks, &port->fd, err);
	return asks && listen(port->fd, PORT_BACKLOG) ? failed(-errno, err) : 0;
}

void ports_shut(struct port *ports, size_t n)
{
	for (size_t i = 0; ports && i < n; i++) {
		close_fd(&ports[i]);
		if (ports[i].at)
			port_path_refuse(ports[i].at);
	}
}

void ports_free(struct port *ports, size_t n)
{
	for (size_t i = 0; ports && i < n; i++) {
		close_fd(&ports[i]);
		port_path_free(ports[i].at);
	}
	free(ports);
}
