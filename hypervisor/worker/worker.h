/* SPDX-License-Identifier: MIT */
/*
 * A worker: a host thread with a libuv loop, a run queue, a vCPU in every cell it has visited, and an inbox. It shares
 * nothing with other workers on the hot path.
 */
#ifndef WORKER_H
#define WORKER_H

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <uv.h>

#include <cassin/sandbox.h>

#include "base/deadlines.h"
#include "base/hot.h"
#include "base/schedule.h"
#include "base/types.h"
#include "cell/kick.h"
#include "worker/watcher.h"

struct worker;
struct guest;
struct vcpu;

#define SLICE_NS UINT64_C(1000000) /* a guest's turn while others wait */

/* A message: fn runs on the worker's thread; the message is the sender's, freed or reused by fn. */
struct message {
	struct message *next;
	void (*fn)(struct worker *w, struct message *m);
};

/* All workers of an engine, and the thread that watches them. */
struct workers {
	struct worker *all;
	unsigned n;
	struct watcher watcher;
	/* Gives the worker's next guest a turn, if there is one. On the worker's thread. */
	void (*turn)(struct worker *w);
	const struct cassin_sandbox *sandbox; /* confines their threads; NULL: nothing does */
	enum cassin_sandbox_role role;        /* by this */
};

struct worker {
	struct workers *team; /* it is one of these */
	unsigned number;
	pthread_t thread;
	pid_t tid;
	uv_loop_t loop;
	uv_async_t bell;
	uv_poll_t clock; /* of timer_fd */
	int timer_fd;
	uint64_t timer_set; /* what timer_fd is set to, ns; UINT64_MAX: off */
	struct deadlines deadlines;

	struct schedule schedule;
	struct guest *passing, *passing_last; /* guests that begin, end or move in pieces; in turn, */
	bool passed;                          /* and the last turn was one of theirs */
	atomic_uint runnable;                 /* guests in it, and the one on the CPU; others read it */
	atomic_uint load;                     /* the sum of their weights */
	atomic_uint_fast64_t floor;           /* of the schedule */
	uint64_t lead_move;                   /* when it last gave a guest away, monotonic ns */
	atomic_uint guests;                   /* that belong here */

	pthread_mutex_t inbox_lock;
	struct message *inbox, **inbox_end;
	bool stop;
	sem_t started; /* posted once the thread has what it needs, or not: */
	int opened;    /* 0, or a negated errno code */

	timer_t slice;               /* sends the kick signal to this thread */
	volatile uint64_t slice_at;  /* when it does so, monotonic ns; UINT64_MAX: it is off */
	volatile uint64_t slice_end; /* monotonic ns of the present guest's turn's end; the signal handler reads it */
	struct kick kick;
	bool watched;       /* the watcher looks at our loop while we compute */
	uint64_t left_at;   /* when the last turn ended, monotonic ns */
	uint64_t looked_at; /* left_at at the last look at the loop */
	uint64_t looks;     /* at the loop, so far */

	atomic_uint_fast64_t exits, hypercalls, switches, preemptions, commits, moves;
};

/* Starts n workers (at least 1) and the watcher, which calls tick(opaque) about once a second; s->turn and s->sandbox are set. On failure
 * workers_stop() is still to be called. -errno. */
int workers_start(struct workers *s, unsigned n, void (*tick)(void *opaque), void *opaque);
/* Ends their threads, after all guests are gone. Nothing happens to workers that were never started. */
void workers_stop(struct workers *s);
/* The calling thread's; NULL: it is no worker's. */
struct worker *worker_self(void);
/* Queues a message, rings the bell and kicks the vCPU. Any thread. */
void worker_post(struct worker *w, struct message *m);
/* Queues the message that brings something here; from then on *owner is w, and messages to that owner come after it. */
void worker_post_arrival(struct worker *w, struct worker *_Atomic *owner, struct message *m);
/* Takes a kick out of a computing guest: its worker looks at its loop soon. Any thread. */
void worker_kick(struct worker *w);
/* Sees to it that a kick ends the turn that has begun at `now`, at slice_end. */
void worker_slice(struct worker *w, uint64_t now);
/* The guest on the CPU is waiting for something while it computes: its turn ends at `until` at the latest (CASSIN_FOREVER: as it
 * would; what has passed is the caller's business), and at once when the loop has something to do. */
void worker_turn_until(struct worker *w, uint64_t until);
/* Whether someone waits for a turn. */
static inline bool worker_busy(const struct worker *w)
{
	return w->schedule.count || w->passing;
}
/* Sets or moves a deadline on this worker. Owner's thread. */
void worker_deadline(struct worker *w, struct deadline *d, uint64_t when);

#endif
