/* SPDX-License-Identifier: MIT */
/*
 * Threads for engine calls that may block, in lanes that cannot hold each other up: a spawn whose image lies on a file
 * system that hangs takes a loader, never the thread that kills a guest. A lane begins with few threads, confined to its role
 * before the first guest runs; one that takes a job while none is left to wait makes another, which has its filter. The functions
 * here are for the loop's thread.
 */
#ifndef POOL_H
#define POOL_H

#include <stdint.h>
#include <uv.h>

#include <cassin/sandbox.h>

enum lane {
	LANE_CONTROL, /* kill, restart, remove, trace: waits for workers alone, and for the state folder */
	LANE_CONNECT, /* the gateway's: waits for workers alone */
	LANE_LOAD,    /* spawns: reads files, for as long as those take */
	LANE_BOOT,    /* templates: waits until a guest is ready, TEMPLATES_BOOTING_MAX at a time */
};
#define LANES 4u

struct job {
	struct job *next;
	void *data;                  /* whoever adds it, if it likes */
	void (*run)(struct job *j);  /* on a thread of the lane */
	void (*done)(struct job *j); /* on the loop afterwards */
	uint64_t since;              /* when a thread took it up */
};

struct pool;

/* Makes the threads. 0, -ENOMEM, -EAGAIN, or what cassin_sandbox_enter() says. */
int pool_start(struct pool **out, uv_loop_t *loop, const struct cassin_sandbox *s, struct cassin_error_text *err);
/* Queues a job, which is the caller's to free once done. The loop does not end before. */
void pool_add(struct pool *p, enum lane lane, struct job *j, void (*run)(struct job *j), void (*done)(struct job *j));
/* For how long a lane whose threads are all taken has had its oldest job, in ns; 0: a thread is free. */
uint64_t pool_stuck_ns(struct pool *p, enum lane lane);
unsigned pool_threads(enum lane lane); /* at most */
/* Jobs that are not done. */
unsigned pool_pending(const struct pool *p);
/* Ends the threads, when no job is pending; the loop then closes the pool's handle. pool_free() is for afterwards. */
void pool_stop(struct pool *p);
void pool_free(struct pool *p);

#endif
