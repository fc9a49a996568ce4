/* SPDX-License-Identifier: MIT */
/*
 * Makes the host processes that guests run in, and ends them: on a thread of its own, which is the only one that may do either
 * (see sandbox/). Any thread may call these.
 */
#ifndef PROCESS_MAKER_H
#define PROCESS_MAKER_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include <cassin/sandbox.h>
#include <cassin/spec.h>

#include "base/types.h"
#include "process/limits.h"

struct account;
struct stub;

struct order; /* of a process, or for its end */

struct maker {
	pthread_t thread;
	bool running, stop;
	pthread_mutex_t lock;
	pthread_cond_t wanted, done;
	struct order *first, **end;
	struct order *ending, **last; /* on its thread: killed, and not gone yet, the oldest first */
	int program;                  /* a memory file: what a stub begins as */
	struct process_limits limits;
	atomic_uint end_ns; /* CPU time that an end takes for each mapping, by those that were; see maker_end_ns() */
	const struct cassin_sandbox *sandbox;
	int confined;
};

/* -errno, with the reason in *err. */
int maker_start(struct maker *m, const struct cassin_sandbox *sandbox, struct cassin_error_text *err);
/* Does first what was ordered. */
void maker_stop(struct maker *m);

/* A process that waits to be seized, whose only descriptor is `memory`, on that account, `whatever` the pool has
 * left. -EAGAIN, -ENOMEM, ...: see limits_say(); -ENOSPC: the pool is full. It may have ended already. */
int maker_make(struct maker *m, int memory, struct account *account, bool whatever, struct stub **out);
/* Ends the process of s, whatever state it is in, takes it off its account, and frees s; without waiting for it,
 * and nobody else's waits for it. */
void maker_dispose(struct maker *m, struct stub *s);
/* The CPU time that the end of a process with so many mappings takes, as far as others' tell: its own, which is nobody's. */
uint64_t maker_end_ns(const struct maker *m, unsigned mappings);

#endif
