/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"

#define LOADERS 32u
#define CONTROLLERS 8u
#define CONNECTORS 8u
#define THREADS (CONTROLLERS + CONNECTORS + LOADERS + TEMPLATES_BOOTING_MAX)
#define STACK_BYTES ((size_t)512 << 10)

struct queue {
	pthread_cond_t filled;
	struct job *first, **end;
	struct job *running; /* by `next` */
	unsigned nrunning, nthreads;
};

struct pool {
	uv_async_t async;
	const struct cassin_sandbox *sandbox;
	pthread_mutex_t lock; /* of all that follows, but `pending` */
	pthread_cond_t started;
	struct queue lanes[LANES];
	struct job *done, **done_end;
	bool stopping;
	unsigned nstarted;
	int refused; /* what a thread's sandbox said */
	struct cassin_error_text why;
	pthread_t threads[THREADS];
	unsigned nthreads;
	unsigned pending; /* the loop's */
};

static const struct {
	unsigned first, most; /* threads: at the start, and in all */
	enum cassin_sandbox_role role;
} lanes[LANES] = {
	[LANE_CONTROL] = {2, CONTROLLERS, CASSIN_SANDBOX_CONTROL},
	[LANE_CONNECT] = {1, CONNECTORS, CASSIN_SANDBOX_CONTROL},
	[LANE_LOAD] = {1, LOADERS, CASSIN_SANDBOX_LOADER},
	[LANE_BOOT] = {1, TEMPLATES_BOOTING_MAX, CASSIN_SANDBOX_LOADER},
};

struct start {
	struct pool *pool;
	enum lane lane;
	bool confined; /* by the thread that makes it */
};

unsigned pool_threads(enum lane lane)
{
	return lanes[lane].most;
}

/* ---- A thread ---- */

static void append(struct job ***end, struct job *j)
{
	j->next = NULL;
	**end = j;
	*end = &j->next;
}

static struct job *take(struct queue *q)
{
	struct job *j = q->first;
	q->first = j->next;
	if (!q->first)
		q->end = &q->first;
	j->next = q->running;
	q->running = j;
	q->nrunning++;
	j->since = now_ns();
	return j;
}

static void put_away(struct pool *p, struct queue *q, struct job *j)
{
	struct job **link = &q->running;
	while (*link != j)
		link = &(*link)->next;
	*link = j->next;
	q->nrunning--;
	append(&p->done_end, j);
}

/* True: the thread is confined, and may go on. */
static bool report_for_duty(struct pool *p, enum lane lane)
{
	struct cassin_error_text err = {""};
	int result = cassin_sandbox_enter(p->sandbox, lanes[lane].role, &err);
	pthread_mutex_lock(&p->lock);
	if (result < 0 && !p->refused) {
		p->refused = result;
		p->why = err;
	}
	p->nstarted++;
	pthread_cond_signal(&p->started);
	pthread_mutex_unlock(&p->lock);
	return result == 0;
}

static int thread_start(struct pool *p, enum lane lane, bool confined);

/* Somebody waits for the next job, while the host lets us have threads. */
static void keep_one_waiting(struct pool *p, enum lane lane)
{
	struct queue *q = &p->lanes[lane];
	if (q->nrunning == q->nthreads && q->nthreads < lanes[lane].most)
		thread_start(p, lane, true);
}

static void *thread_main(void *opaque)
{
	struct start start = *(struct start *)opaque;
	struct pool *p = start.pool;
	struct queue *q = &p->lanes[start.lane];
	free(opaque);
	if (!start.confined && !report_for_duty(p, start.lane))
		return NULL;
	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (!q->first && !p->stopping)
			pthread_cond_wait(&q->filled, &p->lock);
		if (!q->first)
			break;
		struct job *j = take(q);
		keep_one_waiting(p, start.lane);
		pthread_mutex_unlock(&p->lock);
		j->run(j);
		pthread_mutex_lock(&p->lock);
		put_away(p, q, j);
		uv_async_send(&p->async);
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

/* With the lock, once there are others. */
static int thread_start(struct pool *p, enum lane lane, bool confined)
{
	struct start *start = malloc(sizeof *start);
	pthread_attr_t attributes;
	if (!start)
		return -ENOMEM;
	*start = (struct start){.pool = p, .lane = lane, .confined = confined};
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	int result = -pthread_create(&p->threads[p->nthreads], &attributes, thread_main, start);
	pthread_attr_destroy(&attributes);
	if (result < 0) {
		free(start);
	} else {
		p->nthreads++;
		p->lanes[lane].nthreads++;
	}
	return result;
}

/* ---- The loop's side ---- */

static void on_done(uv_async_t *async)
{
	struct pool *p = async->data;
	pthread_mutex_lock(&p->lock);
	struct job *j = p->done;
	p->done = NULL;
	p->done_end = &p->done;
	pthread_mutex_unlock(&p->lock);
	while (j) {
		struct job *next = j->next;
		if (--p->pending == 0)
			uv_unref((uv_handle_t *)&p->async);
		j->done(j);
		j = next;
	}
}

static void set_up(struct pool *p, uv_loop_t *loop, const struct cassin_sandbox *s)
{
	p->sandbox = s;
	p->done_end = &p->done;
	p->async.data = p;
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->started, NULL);
	for (unsigned i = 0; i < LANES; i++) {
		pthread_cond_init(&p->lanes[i].filled, NULL);
		p->lanes[i].end = &p->lanes[i].first;
	}
	uv_async_init(loop, &p->async, on_done);
	uv_unref((uv_handle_t *)&p->async);
}

int pool_start(struct pool **out, uv_loop_t *loop, const struct cassin_sandbox *s, struct cassin_error_text *err)
{
	struct pool *p = calloc(1, sizeof *p);
	int result = 0;
	if (!p)
		return cassin_error_set(err, -ENOMEM, "no memory for the threads");
	set_up(p, loop, s);
	for (unsigned lane = 0; lane < LANES; lane++)
		for (unsigned i = 0; result == 0 && i < lanes[lane].first; i++)
			result = thread_start(p, (enum lane)lane, false);
	pthread_mutex_lock(&p->lock);
	while (p->nstarted < p->nthreads)
		pthread_cond_wait(&p->started, &p->lock);
	pthread_mutex_unlock(&p->lock);
	*out = p;
	if (p->refused)
		return cassin_error_set(err, p->refused, "%s", p->why.text);
	return result == 0 ? 0
			   : cassin_error_set(err, result, "cannot start the threads: %s: see ulimit -u",
					      strerror(-result));
}

void pool_add(struct pool *p, enum lane lane, struct job *j, void (*run)(struct job *j), void (*done)(struct job *j))
{
	j->run = run;
	j->done = done;
	if (p->pending++ == 0)
		uv_ref((uv_handle_t *)&p->async);
	pthread_mutex_lock(&p->lock);
	append(&p->lanes[lane].end, j);
	pthread_cond_signal(&p->lanes[lane].filled);
	pthread_mutex_unlock(&p->lock);
}

uint64_t pool_stuck_ns(struct pool *p, enum lane lane)
{
	const struct queue *q = &p->lanes[lane];
	uint64_t oldest = UINT64_MAX;
	pthread_mutex_lock(&p->lock);
	for (const struct job *j = q->running; j && q->nrunning == q->nthreads; j = j->next)
		if (j->since < oldest)
			oldest = j->since;
	pthread_mutex_unlock(&p->lock);
	return oldest == UINT64_MAX ? 0 : now_ns() - oldest;
}

unsigned pool_pending(const struct pool *p)
{
	return p->pending;
}

void pool_stop(struct pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	for (unsigned i = 0; i < LANES; i++)
		pthread_cond_broadcast(&p->lanes[i].filled);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < p->nthreads; i++)
		pthread_join(p->threads[i], NULL);
	uv_close((uv_handle_t *)&p->async, NULL);
}

void pool_free(struct pool *p)
{
	for (unsigned i = 0; i < LANES; i++)
		pthread_cond_destroy(&p->lanes[i].filled);
	pthread_cond_destroy(&p->started);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
