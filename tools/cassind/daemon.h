/* SPDX-License-Identifier: MIT */
/*
 * What the daemon's parts share. Everything here belongs to the loop's thread, but `engine`, `keeping`, `admission` and
 * `state`, which the pool's threads use too, and `max_guests` and `stopping`, which they read.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

#include <cassin/engine.h>
#include <cassin/own_file.h>

#include "../common/clocks.h"
#include "pool.h"

struct connection;
struct debug_session;
struct follower;
struct gateway;
struct keeping;
struct kept;
struct listeners;
struct cassin_sandbox;
struct state;
struct waiter;

#define CONNECTIONS_MAX 1024u
#define CONNECTIONS_LASTING_MAX 768u   /* of them, with requests that may take long: the rest is for the operator's */
#define REQUESTS_BYTES_MAX (64u << 20) /* bodies of all requests that are not answered yet */
#define ANSWERS_BYTES_MAX (512u << 20) /* that clients have not taken yet; above it only short answers are given */
#define LOADERS_STUCK_NS UINT64_C(5000000000)
#define TEMPLATES_BOOTING_MAX 4u /* at once; each keeps a thread of the pool */

struct daemon {
	uv_loop_t loop;
	struct cassin_engine *engine;
	struct pool *pool;
	struct cassin_sandbox *sandbox; /* NULL: none */
	struct kept *kept;              /* NULL: nothing was */
	struct {
		pthread_mutex_t lock; /* of the list, and never held over the state folder, which may hang */
		pthread_cond_t left;  /* a name is nobody's again */
		struct keeping *first;
	} keeping;                 /* names whose kept specs are being made to agree with what is there */
	pthread_mutex_t admission; /* of `spawning`, and never held over a spawn, which may hang in a file system */
	pthread_cond_t spawned;    /* `spawning` has sunk */
	unsigned spawning;         /* have a place within the limit, but may not run yet; only with a limit */
	unsigned max_guests;       /* that run at once; 0: no limit */
	struct state *state;       /* NULL: nothing is kept */
	atomic_bool stopping;
	int ready_fd;     /* -1: nobody waits there, or has been told */
	const char *swap; /* the path; NULL: none */
	struct cassin_own_file swap_file;
	struct listeners *listeners;

	uv_pipe_t api; /* listens */
	uv_async_t changed;
	uv_signal_t terminate, interrupt;
	uv_timer_t patience; /* from the request to stop on */
	struct job leaving;  /* when that is over */
	struct gateway *gateway;

	struct connection *connections;
	unsigned nconnections;
	size_t request_bytes, answer_bytes; /* of all of them */
	uint64_t requests, errors;          /* answered; of those, with a status of 400 or more */
	uint64_t gateway_connects;

	struct debug_session *debugging;
	unsigned ndebugging;
	int debug_quit; /* eventfd that ends all of them */

	unsigned templates_booting;
	struct {
		struct waiter *first;
		uv_timer_t timer;
		unsigned changes; /* guests that ended or went */
	} waiting;

	struct follower *followers;
	uv_timer_t follow; /* runs while there are followers */
};

/* Kills and removes a guest; its kept spec goes too. Blocks: thread pool only. 0, -ENOENT. */
int daemon_guest_remove(struct daemon *d, uint64_t id);
/* Spawns, with a trace that waits for a reader if it is to be traced, and keeps the spec if its policy says so. -EAGAIN: too many
 * run. Thread pool, or before the loop runs. */
int daemon_guest_spawn(struct daemon *d, const struct cassin_guest_spec *spec, bool traced, uint64_t *id,
		       struct cassin_error_text *err);
/* The same for templates, each of which is kept. */
int daemon_template_create(struct daemon *d, const struct cassin_guest_spec *spec, uint64_t timeout_ns,
			   struct cassin_error_text *err);
int daemon_template_remove(struct daemon *d, const char *name);
/* 0; -EAGAIN: all threads that load images have been at it for LOADERS_STUCK_NS, and one more spawn would only wait with them. */
int daemon_loaders_free(struct daemon *d, struct cassin_error_text *err);

#endif
