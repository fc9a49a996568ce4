/* SPDX-License-Identifier: MIT */
/*
 * What the daemon's parts share. Everything here belongs to the loop's thread, but `engine`, `specs` and `state`,
 * which thread-pool work uses too, and `stopping`, which it reads.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#include <cassin/engine.h>

struct connection;
struct follower;
struct gateway;
struct state;

#define CONNECTIONS_MAX 1024u

struct daemon {
	uv_loop_t loop;
	struct engine *engine;
	/* Held for reading while a result of engine_guest_spec() is in use, for writing while a guest is removed. */
	pthread_rwlock_t specs;
	struct state *state; /* NULL: nothing is kept */
	atomic_bool stopping;

	uv_pipe_t api; /* listens */
	uv_async_t changed;
	uv_signal_t terminate, interrupt;
	struct gateway *gateway;

	struct connection *connections;
	unsigned nconnections;
	uint64_t requests, errors; /* answered; of those, with a status of 400 or more */
	uint64_t gateway_connects;

	struct follower *followers;
	uv_timer_t follow; /* runs while there are followers */
};

/* Kills and removes a guest; its kept spec goes too. Blocks: thread pool only. 0, -ENOENT. */
int daemon_guest_remove(struct daemon *d, uint64_t id);
/* Spawns and keeps the spec if its policy says so. Thread pool, or before the loop runs. */
int daemon_guest_spawn(struct daemon *d, const struct guest_spec *spec, uint64_t *id, struct cassin_error_text *err);
/* CLOCK_MONOTONIC, ns. */
uint64_t daemon_now(void);

#endif
