/* SPDX-License-Identifier: MIT */
/*
 * A worker: a host thread with a libuv loop, a run queue, a vCPU in every cell it has visited, and an inbox. It shares
 * nothing with other workers on the hot path.
 */
#ifndef WORKER_H
#define WORKER_H

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <uv.h>

#include "base/deadlines.h"
#include "base/hot.h"
#include "base/schedule.h"
#include "base/types.h"
#include "cell/kick.h"

struct engine;
struct worker;
struct guest;
struct vcpu;

#define SLICE_NS UINT64_C(1000000) /* a guest's turn while others wait */

/* A message: fn runs on the worker's thread; the message is the sender's, freed or reused by fn. */
struct message {
	struct message *next;
	void (*fn)(struct worker *w, struct message *m);
};

struct worker {
	struct engine *engine;
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
	atomic_uint runnable;       /* guests in it, and the one on the CPU; others read it */
	atomic_uint load;           /* the sum of their weights */
	atomic_uint_fast64_t floor; /* of the schedule */
	uint64_t lead_move;         /* when it last gave a guest away, monotonic ns */
	atomic_uint guests;         /* that belong here */

	pthread_mutex_t inbox_lock;
	struct message *inbox, **inbox_end;
	bool stop;
	atomic_int started; /* 1, or a negated errno code */

	timer_t slice;               /* sends the kick signal to this thread */
	volatile uint64_t slice_at;  /* when it does so, monotonic ns; UINT64_MAX: it is off */
	volatile uint64_t slice_end; /* monotonic ns of the present guest's turn's end; the signal handler reads it */
	struct kick kick;
	bool watched;       /* the watcher looks at our loop while we compute */
	uint64_t left_at;   /* when the last turn ended, monotonic ns */
	uint64_t looked_at; /* left_at at the last look at the loop */

	atomic_uint_fast64_t exits, hypercalls, switches, preemptions, commits, moves;
};

int worker_start(struct worker *w, struct engine *e, unsigned number);
/* Ends its thread, after all its guests are gone. */
void worker_stop(struct worker *w);
/* Queues a message, rings the bell and kicks the vCPU. Any thread. */
void worker_post(struct worker *w, struct message *m);
/* Queues the message that brings g here; from then on g belongs to w, and messages to g come after it. */
void worker_post_arrival(struct worker *w, struct guest *g, struct message *m);
/* Takes a kick out of a computing guest: its worker looks at its loop soon. Any thread. */
void worker_kick(struct worker *w);
/* Sees to it that a kick ends the turn that has begun at `now`, at slice_end. */
void worker_slice(struct worker *w, uint64_t now);
/* The guest on the CPU is waiting for something while it computes: its turn ends at `until` at the latest (CASSIN_FOREVER: as it
 * would; what has passed is the caller's business), and at once when the loop has something to do. */
void worker_attend(struct worker *w, uint64_t until);
/* Gives g a turn. It was taken from the queue; dispatch.c. */
HOT void worker_dispatch(struct worker *w, struct guest *g);
/* Sets or moves a deadline on this worker. Owner's thread. */
int worker_deadline(struct worker *w, struct deadline *d, uint64_t when);

#endif
