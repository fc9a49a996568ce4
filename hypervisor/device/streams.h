/* SPDX-License-Identifier: MIT */
/*
 * Streams: handles onto listeners, host sockets (TCP, Unix) and pipes to other guests. A guest's handle table is
 * used by the worker that owns the guest, only.
 */
#ifndef STREAMS_H
#define STREAMS_H

#include <cassin/own_file.h>
#include <cassin/spec.h>

#include "guest/device.h"

struct streams; /* a guest's handle table and listeners; streams.c */
struct worker;

/* A host endpoint that was bound for a guest at spawn, listening; it stays so while the guest runs or is to be restarted. */
struct port {
	int fd; /* -1: a Unix socket's, while it refuses */
	uint16_t guest;
	char unix_path[CASSIN_ENDPOINT_MAX + 1]; /* "" for TCP */
	struct own_file file;                    /* what was bound there, to be removed at the end */
};

/* Binds and listens on all ports of a spec. *ports is malloc'd (NULL for none). -EADDRINUSE and the like with the
 * endpoint named in *err; nothing stays open on failure. */
int ports_open(const struct guest_spec *spec, struct port **ports, struct cassin_error_text *err);
void ports_close(struct port *ports, size_t n);
/* The guest has ended for good, or until somebody restarts it: clients are refused, those that wait are reset. TCP endpoints
 * stay bound. */
void ports_refuse(struct port *ports, size_t n);
/* Listens again. 0, or -errno with the endpoint named in *err; then all of them refuse. */
int ports_resume(struct port *ports, const struct guest_spec *spec, struct cassin_error_text *err);

extern const struct device streams_device;

/* Closes every handle and listener (not the ports); connections that wait unaccepted, too. g->streams becomes NULL. */
void streams_end(struct guest *g);
struct frozen_listener;
/* The listeners of a guest, for a template; malloc'd. -EBUSY: a connection is open. -ENOMEM. */
int streams_freeze(struct guest *g, struct frozen_listener **out, size_t *n);
/* A connected socket arrives for `port` (from the gateway). Takes fd over. 0, -ECONNREFUSED: not listening there
 * (fd stays the caller's then). */
int streams_adopt(struct guest *g, uint16_t guest_port, int fd);

#endif
