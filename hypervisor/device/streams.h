/* SPDX-License-Identifier: MIT */
/*
 * Streams: handles onto listeners, host sockets (TCP, Unix) and pipes to other guests. A guest's handle table is
 * used by the worker that owns the guest, only.
 */
#ifndef STREAMS_H
#define STREAMS_H

#include "guest/device.h"

struct streams; /* a guest's handle table and listeners; streams.c */
struct worker;

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
