/* SPDX-License-Identifier: MIT */
/* A connection's buffers: the same for guests (stream_io.c) and for the processes that they are compared with (tests/native/). */
#ifndef STREAM_BUFFERS_H
#define STREAM_BUFFERS_H

#include <cassin/guest.h>

#define FIRST_BUFFER 1024u
#define KEEP_BUFFER 4096u  /* a larger one is given back once it is empty */
#define RECV_BUFFER 16384u /* grown to while input keeps filling it */
#define OUT_HIGH 65536u    /* output from which input waits; also the longest silent send */

void conn_drop_output(struct cassin_conn *c);
/* Adds to the output. False: there is no memory, or the connection is broken; it is now. */
bool conn_append(struct cassin_conn *c, const void *bytes, size_t len);
/* Shows input to the service, until the service uses up no more of it or output piles up. */
void conn_consume(struct cassin_conn *c, const struct cassin_service *service, uint32_t input_max);
/* Makes room for input. False: there is no memory for more. */
bool conn_make_room(struct cassin_conn *c, uint32_t input_max);

#endif
