/* SPDX-License-Identifier: MIT */
/* A service's state: stream.c has the loop and the connections' lives, stream_io.c their buffers and operations. */
#ifndef STREAM_PRIVATE_H
#define STREAM_PRIVATE_H

#include <cassin/guest.h>

/* What a completion is about: the low bits of user_data, over the connection's address. */
enum stream_tag {
	TAG_NONE = 0, /* nobody waits for it */
	TAG_RECV = 1,
	TAG_SEND = 2,
	TAG_ACCEPT = 3,
	TAG_BITS = 15,
};

struct service_state {
	const struct cassin_service *service;
	int32_t listener;
	int error;            /* why the service ends, 0: it was asked to stop */
	uint32_t count, most; /* connections */
	uint32_t input_max;
	struct cassin_windows windows;
	bool accepting, stopping;
	bool handed_in;                      /* nothing submitted before the last wait is left in the ring */
	uint64_t accept_at;                  /* not before */
	uint64_t look, look_at;              /* at idle connections: how often, and when next; 0: there is none */
	uint32_t looks;                      /* at them, so far */
	struct cassin_conn *oldest, *newest; /* by when something came or went last */
	struct cassin_conn *all, *dead, *dirty, **dirty_end;
};
extern struct service_state cassin_service_state;

/* Puts it on the list of connections to flush. */
void conn_dirty(struct cassin_conn *c);
/* Shows input to the service, until it uses up no more of it or output piles up. */
void conn_process(struct cassin_conn *c);
/* Something has come or gone: its idle time begins again. */
void conn_active(struct cassin_conn *c);
/* Results of its operations. */
void conn_received(struct cassin_conn *c, int32_t result);
void conn_sent(struct cassin_conn *c, int32_t result);
/* Takes a send's buffer back, if the hypervisor is done with it. */
void conn_reclaim(struct cassin_conn *c);
/* Submits what it needs: send, then receive or close. False: not now (try after the next wait). */
bool conn_flush(struct cassin_conn *c);
/* Takes it off the service; it is freed once no operation knows it. */
void conn_end(struct cassin_conn *c);
void conn_free(struct cassin_conn *c);

#endif
