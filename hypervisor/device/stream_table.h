/* SPDX-License-Identifier: MIT */
/*
 * Streams: handles onto listeners, host sockets (TCP, Unix) and pipes to other guests. A guest's handle table is
 * used by the worker that owns the guest, only.
 */
#ifndef STREAM_TABLE_H
#define STREAM_TABLE_H

#include "guest/device.h"

struct streams; /* a guest's handle table and listeners; stream_table.c */
struct worker;

extern const struct device streams_device;

/* Closes handles and listeners (not the ports), a few of them; connections that wait unaccepted, too. *at is 0 at first. True: there are
 * more; when there are none, g->streams becomes NULL. */
bool streams_end(struct guest *g, uint32_t *at);
struct template;
/* Copies the listeners of a guest into a template, a few places from *at on, 0 at first. 1: there are more; 0; -EBUSY: a connection is
 * open; -ENOMEM. */
int streams_freeze(struct guest *g, struct template *t, uint32_t *at);
/* A connected socket arrives for a port of the guest (from the gateway), and is sent `greeting` (NULL: nothing) before any of the guest's
 * bytes. Takes fd over. -ECONNREFUSED: it does not listen there, -EAGAIN: it may come to, or others wait before it; -EPIPE: the client
 * has gone. fd stays the caller's then. */
int streams_adopt(struct guest *g, uint16_t guest_port, int fd, const char *greeting);

#endif
