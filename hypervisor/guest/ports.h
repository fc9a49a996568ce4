/* SPDX-License-Identifier: MIT */
/* The host endpoints of a guest: bound at spawn, listening across its restarts. */
#ifndef PORTS_H
#define PORTS_H

#include <cassin/own_file.h>
#include <cassin/spec.h>

/* A host endpoint that was bound for a guest at spawn, listening; it stays so while the guest runs or is to be restarted. */
struct port {
	int fd; /* -1: a Unix socket's, while it refuses */
	uint16_t guest;
	char unix_path[CASSIN_ENDPOINT_MAX + 1]; /* "" for TCP */
	struct cassin_own_file file;             /* what was bound there, to be removed at the end */
};

/* Binds and listens on all ports of a spec. *ports is malloc'd (NULL for none). -EADDRINUSE and the like with the
 * endpoint named in *err; nothing stays open on failure. */
int ports_open(const struct cassin_guest_spec *spec, struct port **ports, struct cassin_error_text *err);
void ports_close(struct port *ports, size_t n);
/* The guest has ended for good, or until somebody restarts it: clients are refused, those that wait are reset. TCP endpoints
 * stay bound. */
void ports_refuse(struct port *ports, size_t n);
/* The same for one; and one that refuses listens again. 0, -errno. */
void port_refuse(struct port *port);
int port_listen(struct port *port, const struct cassin_guest_port *wanted);
/* Listens again. 0, or -errno with the endpoint named in *err; then all of them refuse. */
int ports_resume(struct port *ports, const struct cassin_guest_spec *spec, struct cassin_error_text *err);

#endif
