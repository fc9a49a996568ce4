/* SPDX-License-Identifier: MIT */
/* One HTTP connection of the load client: asks, reads the whole answer, and checks it. */
#ifndef BENCH_LOAD_CONN_H
#define BENCH_LOAD_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ANSWER_MOST 8192u

struct conn {
	int fd;
	uint64_t started; /* when the request was begun, ns */
	size_t sent, got;
	char wanted[80]; /* must be in the body */
	char request[256];
	size_t head; /* bytes of the answer before HTTP begins: the gateway's line */
	char answer[ANSWER_MOST + 1];
};

enum conn_state { CONN_WAITS, CONN_DONE, CONN_FAILED };

/* Starts to connect to 127.0.0.1:port. 0 or -errno. */
int conn_open(struct conn *c, uint16_t port);
/* The same through the daemon's gateway at `path`; the request must begin with the gateway's line. */
int conn_open_gateway(struct conn *c, const char *path);
/* Begins the request in c->request on it. */
void conn_ask(struct conn *c);
/* Goes on with what the socket is ready for. `to_end`: the answer ends with the connection. On failure *why says it. */
enum conn_state conn_step(struct conn *c, bool to_end, const char **why);
void conn_close(struct conn *c);

#endif
