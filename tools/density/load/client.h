/* SPDX-License-Identifier: MIT */
/* The load client's connections, all in one libuv loop. */
#ifndef LOAD_CLIENT_H
#define LOAD_CLIENT_H

#include <uv.h>

#include "../histogram.h"
#include "exchange.h"

struct client;

/* One connection at a time, over and over. */
struct slot {
	struct client *client;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} at;
	uv_connect_t connect;
	uv_write_t write;
	uv_timer_t timer;
	struct exchange exchange;
	unsigned target, left; /* requests that may still follow on this connection */
	uint64_t due;          /* ns: when the next request should go out, if there is a rate */
	uint64_t began;        /* of the request under way; 0: none */
	bool failed, greeted, closing;
	char greeting[96];
	unsigned greeting_len;
	char *request;
	size_t request_len;
};

struct client {
	struct job *job;
	uv_loop_t loop;
	uv_timer_t patience, phase;
	struct slot *slots;
	struct sockaddr_in address;
	bool measuring, over;
	uint64_t measured_from, requests, errors;
	char first_error[160];
	struct histogram latencies; /* while measuring */
	char input[65536];
};

/* Runs the job and prints its events, one JSON document a line. 0, -errno. */
int client_run(struct job *j);
/* Opens the slot's next connection, at once or when it is due. */
void slot_begin(struct slot *s);
void slot_fail(struct slot *s, const char *why);

#endif
