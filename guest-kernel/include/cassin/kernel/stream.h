/* SPDX-License-Identifier: MIT */
/*
 * Streams for threads: each call blocks its thread only. Submissions of all threads travel together when no thread can
 * run, when the ring is full, or when a third of a millisecond or so has passed; so a request costs about one exit.
 */
#ifndef CASSIN_KERNEL_STREAM_H
#define CASSIN_KERNEL_STREAM_H

#include <cassin/guest/window.h>
#include <cassin/kernel/thread.h>

/* A connection. One thread may receive while another sends. */
struct cassin_stream {
	int32_t handle; /* -1: closed */
	struct cassin_window window;
};

/* Any operation of the ABI: waits for its result, lets the other threads run. At the deadline it is cancelled:
 * -CASSIN_ETIMEDOUT, if it had no result by then. -CASSIN_EAGAIN, from this and from accept, connect and receive: so
 * many operations wait already as fill three quarters of the completion ring, 768 unless the guest has called
 * cassin_ring_init() before all else. cassin_do() of guest-lib is this, without a deadline. */
int32_t cassin_do_until(const struct cassin_sqe *op, uint64_t deadline);

/* Listens on a port of the guest. The listener's handle, or a negated code of LISTEN. */
int32_t cassin_listen(uint16_t port);
/* Waits for a connection. 0, -CASSIN_ETIMEDOUT, -CASSIN_ECANCELED: the listener was closed, or the guest is to stop
 * (which this makes known: see stop.h), another code of ACCEPT. */
int cassin_stream_accept(struct cassin_stream *s, int32_t listener, uint64_t deadline);
/* Connects to a name of the spec's list or to "NAME:PORT". 0, -CASSIN_ETIMEDOUT, a code of CONNECT. */
int cassin_stream_connect(struct cassin_stream *s, const char *name, uint64_t deadline);
/* Waits for bytes: how many, at least 1; 0 at the end of the stream; -CASSIN_ETIMEDOUT or a code of RECV, -CASSIN_EBADF: it
 * is closed. */
int32_t cassin_stream_receive(struct cassin_stream *s, void *to, uint32_t len, uint64_t deadline);
/* Sends all of it, in order with what was sent before; the memory is the caller's again. A short piece is copied and
 * leaves with the next exit, so that a failure may show only in the next send. 0, -CASSIN_ETIMEDOUT: some of it may have
 * been sent, a code of SEND. */
int cassin_stream_send(struct cassin_stream *s, const void *bytes, size_t len, uint64_t deadline);
/* Ends the sending side, after the sends before it. */
void cassin_stream_shutdown(struct cassin_stream *s);
/* Closes it, after the sends before it. Threads that receive get -CASSIN_ECANCELED. Closing twice is fine. */
void cassin_stream_close(struct cassin_stream *s);
/* The same of a listener. */
void cassin_listener_close(int32_t listener);

#endif
