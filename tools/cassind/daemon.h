/* SPDX-License-Identifier: MIT */
/*
 * What the daemon's parts share. Everything here belongs to the loop's thread, but `engine`, `keeping`, `admission` and
 * `state`, which thread-pool work uses too, and `max_guests` and `stopping`, which it reads.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#include <cassin/engine.h>

struct connection;
struct debug_session;
struct follower;
struct gateway;
struct state;
struct waiter;

#define CONNECTIONS_MAX 1024u
#define TEMPLATES_BOOTING_MAX 4u /* at once; each keeps a thread of the pool */

struct daemon {
	uv_loop_t loop;
	struct engine *engine;
	pthread_mutex_t keeping;   /* held while a guest's name and its kept spec change together */
	pthread_mutex_t admission; /* held while a guest is counted and spawned; only with a limit */
	unsigned max_guests;       /* that run at once; 0: no limit */
	struct state *state;       /* NULL: nothing is kept */
	atomic_bool stopping;

	uv_pipe_t api; /* listens */
	uv_async_t changed;
	uv_signal_t terminate, interrupt;
	struct gateway *gateway;

	struct connection *connections;
	unsigned nconnections;
	uint64_t requests, errors; /* answered; of those, with a status of 400 or more */
	uint64_t gateway_connects;

	struct debug_session *debugging;
	unsigned ndebugging;
	int debug_quit; /* eventfd that ends all of them */

	unsigned templates_booting;
	struct {
		struct waiter *first;
		uv_timer_t timer;
		bool is_short; /* there was no room for the head, or for the one before it */
		bool changed;  /* since it was last tried */
	} waiting;

	struct follower *followers;
	uv_timer_t follow; /* runs while there are followers */
};

/* Kills and removes a guest; its kept spec goes too. Blocks: thread pool only. 0, -ENOENT. */
int daemon_guest_remove(struct daemon *d, uint64_t id);
/* Spawns and keeps the spec if its policy says so. -EAGAIN: too many run. Thread pool, or before the loop runs. */
int daemon_guest_spawn(struct daemon *d, const struct guest_spec *spec, uint64_t *id, struct cassin_error_text *err);
/* The same for templates, each of which is kept. */
int daemon_template_create(struct daemon *d, const struct guest_spec *spec, uint64_t timeout_ns,
			   struct cassin_error_text *err);
int daemon_template_remove(struct daemon *d, const char *name);
/* CLOCK_MONOTONIC, ns. */
uint64_t daemon_now(void);

#endif
