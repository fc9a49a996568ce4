/* SPDX-License-Identifier: MIT */
/*
 * Services: one loop, many connections, one exit for each request.
 *
 * A service gives up to four functions and calls cassin_serve(). Input that has come is shown to `input`, which says
 * how much it has used up; replies go into an output buffer, sent by the same hypercall that waits for the next input.
 */
#ifndef CASSIN_GUEST_STREAM_H
#define CASSIN_GUEST_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cassin/guest/window.h>

struct cassin_conn {
	int32_t handle;
	bool closing; /* set by the service: no more input; close once the output is out */
	char *in;     /* input not used up yet */
	uint32_t in_len;
	void *data; /* the service's own */

	/* guest-lib's own */
	bool receiving; /* an operation owns the input buffer */
	bool sending;   /* an operation that will complete owns `flight` */
	bool stalled;   /* input waits for output to leave */
	bool full;      /* the last input filled its buffer */
	bool broken;    /* output was lost: no more of it */
	bool dirty;     /* on the list of connections with something to submit */
	bool idle;      /* at its limit: to be closed whatever it waits for */
	bool dead;      /* closed; an operation may still own its memory */
	char *in_buffer, *out, *flight;
	uint32_t in_size, out_len, out_size, flight_at, flight_len, flight_size;
	struct cassin_window window;
	struct cassin_conn *next, **link, *dirty_next;
	uint32_t active;                   /* the round of the look at idle ones in which something came or went last */
	struct cassin_conn *older, *newer; /* by that */
};

struct cassin_service {
	uint16_t port;
	uint32_t connections; /* most at once; 0: 256 */
	uint32_t input_max;   /* longest input that one connection may leave unused, bytes; 0: 64 KiB */
	/* A connection over which for so many ns nothing has come, and nothing been taken, is closed before half as much again is
	 * over, so that silent ones do not keep others out for ever; 0: a minute; CASSIN_FOREVER: never. */
	uint64_t idle;
	/* A connection has come (NULL: nothing to do). False: refuse it. */
	bool (*open)(struct cassin_conn *c);
	/* Looks at c->in, c->in_len and returns how many bytes it has used up (0: needs more). Called again while it uses
	 * some up. Sets c->closing to end the connection. */
	uint32_t (*input)(struct cassin_conn *c);
	/* The connection is gone (NULL: nothing to do). */
	void (*close)(struct cassin_conn *c);
	/* Called when nothing else is to do, and at the time it returned last (absolute, ns; CASSIN_FOREVER: never). NULL: no
	 * clock work. */
	uint64_t (*tick)(uint64_t now);
};

/* Appends to the output. False: no memory; what is not sent yet is dropped and the connection closed. */
bool cassin_send(struct cassin_conn *c, const void *bytes, size_t len);
/* Makes room for this much output, so that sends of it will not fail. False: no memory; the connection stays as it is. */
bool cassin_reserve(struct cassin_conn *c, size_t len);
/* Listens and serves until the guest is asked to stop. Returns 0 then, or a negated code. */
int cassin_serve(const struct cassin_service *s);
/* Connections that are open now. */
uint32_t cassin_connections(void);

#endif
