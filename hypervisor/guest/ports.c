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

#include "spec/endpoint.h"

#define BACKLOG 512

static int failed(int r, struct cassin_error_text *why)
{
	return cassin_error_set(why, r, "%s", r == -EADDRINUSE ? "already in use" : strerror(-r));
}

static int bind_tcp(int fd, const struct sockaddr *address, socklen_t len, struct cassin_error_text *why)
{
	int one = 1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* its connections inherit it */
	return bind(fd, address, len) ? failed(-errno, why) : 0;
}

static int open_one(struct port *p, const struct cassin_guest_port *want, struct cassin_error_text *why)
{
	struct sockaddr_storage address;
	socklen_t len;
	int r = endpoint_sockaddr(want->host, &address, &len);
	if (r)
		return failed(r, why);
	p->guest = want->guest;
	p->fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (p->fd < 0)
		return failed(-errno, why);
	const char *path = address.ss_family == AF_UNIX ? ((struct sockaddr_un *)&address)->sun_path : "";
	p->file = (struct cassin_own_file){0};
	r = *path ? cassin_own_socket_bind(&p->file, p->fd, path, why)
		  : bind_tcp(p->fd, (struct sockaddr *)&address, len, why);
	if (!r && listen(p->fd, BACKLOG))
		r = failed(-errno, why);
	if (r) {
		cassin_own_file_remove(&p->file, path);
		close(p->fd);
		p->fd = -1;
		return r;
	}
	memcpy(p->unix_path, path, strlen(path) + 1);
	return 0;
}

static int refused(const struct cassin_guest_spec *spec, size_t i, int r, const struct cassin_error_text *why,
		   struct cassin_error_text *err)
{
	return cassin_error_set(err, r, "%s: port %s: %s", spec->name, spec->ports[i].host, why->text);
}

int ports_open(const struct cassin_guest_spec *spec, struct port **ports, struct cassin_error_text *err)
{
	*ports = NULL;
	if (!spec->nports)
		return 0;
	struct port *all = calloc(spec->nports, sizeof *all);
	if (!all)
		return cassin_error_set(err, -ENOMEM, "%s: no memory", spec->name);
	for (size_t i = 0; i < spec->nports; i++) {
		struct cassin_error_text why;
		int r = open_one(&all[i], &spec->ports[i], &why);
		if (r) {
			ports_close(all, i);
			return refused(spec, i, r, &why, err);
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
		cassin_own_file_remove(&p->file, p->unix_path);
}

void ports_close(struct port *ports, size_t n)
{
	for (size_t i = 0; ports && i < n; i++)
		close_one(&ports[i]);
	free(ports);
}

void ports_refuse(struct port *ports, size_t n)
{
	for (size_t i = 0; ports && i < n; i++)
		port_refuse(&ports[i]);
}

void port_refuse(struct port *port)
{
	if (port->unix_path[0])
		close_one(port);
	else
		shutdown(port->fd, SHUT_RD); /* tcp(7): a listening socket goes back to being bound */
}

static int listen_again(struct port *port, const struct cassin_guest_port *wanted, struct cassin_error_text *why)
{
	if (port->fd < 0)
		return open_one(port, wanted, why);
	return listen(port->fd, BACKLOG) ? failed(-errno, why) : 0;
}

int port_listen(struct port *port, const struct cassin_guest_port *wanted)
{
	struct cassin_error_text why;
	return listen_again(port, wanted, &why);
}

int ports_resume(struct port *ports, const struct cassin_guest_spec *spec, struct cassin_error_text *err)
{
	for (size_t i = 0; ports && i < spec->nports; i++) {
		struct cassin_error_text why;
		int r = listen_again(&ports[i], &spec->ports[i], &why);
		if (r) {
			ports_refuse(ports, spec->nports);
			return refused(spec, i, r, &why, err);
		}
	}
	return 0;
}
