/* SPDX-License-Identifier: MIT */
#include "gdb_port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/command.h"

struct gdb_port {
	struct gdb_target target;
	int listener, quit;
	pthread_t thread;
	bool started;
	const struct cassin_sandbox *sandbox;
};

static int listen_local(unsigned port, unsigned *actual)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	socklen_t len = sizeof at;
	const int on = 1;
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)&at, sizeof at) < 0 || listen(fd, 1) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0) {
		int result = -errno;
		close(fd);
		return result;
	}
	*actual = ntohs(at.sin_port);
	return fd;
}

struct gdb_port *gdb_port_open(unsigned port, unsigned *actual, struct cassin_error_text *err)
{
	struct gdb_port *p = calloc(1, sizeof *p);
	int result = p ? listen_local(port, actual) : -ENOMEM;
	if (result < 0) {
		cassin_error_set(err, result, "--gdb %u: cannot listen on 127.0.0.1: %s", port, strerror(-result));
		free(p);
		return NULL;
	}
	p->listener = result;
	p->quit = eventfd(0, EFD_CLOEXEC);
	p->target.rung = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->target.spawned = true;
	return p;
}

struct gdb_target *gdb_port_target(struct gdb_port *p)
{
	return &p->target;
}

static void serve(struct gdb_port *p, int fd)
{
	const int on = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	int result = gdb_session(&p->target, fd, p->quit);
	if (result < 0)
		command_failed("the debugger is turned away: %s",
			       result == -ESRCH ? "the guest does not run" : strerror(-result));
	close(fd);
}

static void *port_main(void *opaque)
{
	struct gdb_port *p = opaque;
	struct cassin_error_text err = {""};
	if (cassin_sandbox_enter(p->sandbox, CASSIN_SANDBOX_DEBUGGER, &err) < 0) {
		command_failed("no debugger can come: %s", err.text);
		return NULL;
	}
	struct pollfd watched[] = {{.fd = p->listener, .events = POLLIN}, {.fd = p->quit, .events = POLLIN}};
	for (;;) {
		if (poll(watched, 2, -1) < 0 && errno != EINTR)
			return NULL;
		if (watched[1].revents)
			return NULL;
		int fd = watched[0].revents ? accept4(p->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
		if (fd >= 0)
			serve(p, fd);
	}
}

int gdb_port_start(struct gdb_port *p, const struct cassin_sandbox *s)
{
	p->sandbox = s;
	int result = -pthread_create(&p->thread, NULL, port_main, p);
	p->started = result == 0;
	return result;
}

void gdb_port_close(struct gdb_port *p)
{
	uint64_t one = 1;
	if (!p)
		return;
	if (p->started && write(p->quit, &one, sizeof one) == sizeof one)
		pthread_join(p->thread, NULL);
	if (p->target.debugger)
		cassin_engine_debug_detach(p->target.debugger);
	close(p->listener);
	close(p->quit);
	close(p->target.rung);
	free(p);
}
