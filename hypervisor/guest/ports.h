/* SPDX-License-Identifier: MIT */
/* The host endpoints of a guest: bound at spawn, listening across its restarts. */
#ifndef PORTS_H
#define PORTS_H

#include <cassin/spec.h>

struct guest;
struct port_path;

#define PORT_BACKLOG 512

/* A host endpoint that was bound for a guest at spawn, listening; it stays so while the guest runs or is to be restarted. */
struct port {
	int fd; /* -1: a Unix socket's, while it refuses */
	uint16_t guest;
	struct port_path *at; /* NULL: TCP */
};

/* Binds and listens on all ports of g's spec, on the caller's thread. *ports is malloc'd (NULL for none). -EADDRINUSE and the like with
 * the endpoint named in *err; nothing stays open, and nothing of ours at a path, on failure. */
int ports_open(struct guest *g, struct port **ports, struct cassin_error_text *err);
/* Of the host's memory that the ports of a spec take when they are open. */
uint64_t ports_bytes(const struct cassin_guest_spec *spec);
/* Clients are refused, those that wait are reset. A TCP endpoint stays bound. */
void port_refuse(struct port *port);
/* One that refuses listens again. 0; -EINPROGRESS: guest_port_settled() comes later, ask then with `asks` false; -errno with *err. */
int port_listen(struct port *port, bool asks, struct cassin_error_text *err);
/* For good: what is at a path is removed by a thread for paths. */
void ports_shut(struct port *ports, size_t n);
/* Once nobody uses them: closes what is open, removes what is there, on the caller's thread, and frees. NULL is fine. */
void ports_free(struct port *ports, size_t n);

#endif
