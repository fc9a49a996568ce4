/* SPDX-License-Identifier: MIT */
#include "worker/paths.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/time.h"

#define STACK_BYTES ((size_t)256 << 10)

/* Lines of one name that have jobs; it is there while there are some. */
struct path_group {
	struct path_group *next;                  /* of those that are there */
	struct path_group *ready_next;            /* of those that are ready: */
	bool ready;                               /* it has a line of which a job may be done */
	struct path_line *waiting, *waiting_last; /* lines of which no job is being done, */
	unsigned lines, busy;                     /* all of them, and those of which one is */
	char name[];
};

struct paths {
	struct paths_how how;
	sem_t started; /* the first thread is confined, or not: */
	int confined;
	pthread_mutex_t lock; /* of all that follows; never held over a job */
	pthread_cond_t filled, finished;
	struct path_group *groups;
	struct path_group *ready, *ready_last; /* the next in turn first */
	unsigned threads, idle;
	bool stopping;
	struct path_group nameless; /* always there; it has no name */
};

/* Waiting does not count. */
static uint64_t thread_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* ---- Groups; with the lock ---- */

static unsigned most_busy(const struct paths *p, const struct path_group *g)
{
	return g == &p->nameless ? p->how.threads : p->how.of_a_group;
}

static void make_ready(struct paths *p, struct path_group *g)
{
	if (g->ready || !g->waiting || g->busy >= most_busy(p, g))
		return;
	g->ready = true;
	g->ready_next = NULL;
	if (p->ready)
		p->ready_last->ready_next = g;
	else
		p->ready = g;
	p->ready_last = g;
	pthread_cond_signal(&p->filled);
}

/* The line has a job, and none of it is being done. */
static void line_waits(struct paths *p, struct path_line *l)
{
	struct path_group *g = l->group;
	l->next = NULL;
	if (g->waiting)
		g->waiting_last->next = l;
	else
		g->waiting = l;
	g->waiting_last = l;
	make_ready(p, g);
}

/* The next line in turn, of which a job is being done from now on. */
static struct path_line *take_line(struct paths *p)
{
	struct path_group *g = p->ready;
	struct path_line *l = g->waiting;
	p->ready = g->ready_next;
	g->ready = false;
	g->waiting = l->next;
	g->busy++;
	make_ready(p, g);
	return l;
}

/* Those of a name; without memory for them, those that have none. */
static struct path_group *group_get(struct paths *p, const char *name)
{
	struct path_group *g = p->groups;
	while (g && name && strcmp(g->name, name) != 0)
		g = g->next;
	if (!g && name) {
		size_t size = strlen(name) + 1;
		g = calloc(1, sizeof *g + size);
		if (g) {
			memcpy(g->name, name, size);
			g->next = p->groups;
			p->groups = g;
		}
	}
	if (!g || !name)
		g = &p->nameless;
	g->lines++;
	return g;
}

static void group_put(struct paths *p, struct path_group *g)
{
	struct path_group **link = &p->groups;
	if (--g->lines || g == &p->nameless)
		return;
	while (*link != g)
		link = &(*link)->next;
	*link = g->next;
	free(g);
}

/* The line's first job is done. */
static void line_over(struct paths *p, struct path_line *l)
{
	struct path_group *g = l->group;
	g->busy--;
	l->first = l->first->next;
	if (l->first)
		line_waits(p, l);
	else
		l->group = NULL;
	make_ready(p, g);
	if (!l->first)
		group_put(p, g);
}

/* ---- Threads ---- */

static int thread_start(struct paths *p, void *(*fn)(void *));

/* A thread that is made here has its maker's filter. With the lock. */
static void *serve(void *opaque)
{
	struct paths *p = opaque;
	pthread_mutex_lock(&p->lock);
	do {
		p->idle++;
		while (!p->ready && !p->stopping)
			pthread_cond_wait(&p->filled, &p->lock);
		p->idle--;
		if (!p->ready)
			break;
		struct path_line *l = take_line(p);
		struct path_job *j = l->first;
		if (!p->idle && p->threads < p->how.threads)
			thread_start(p, serve); /* who waits for the next job; without, it waits for this one */
		pthread_mutex_unlock(&p->lock);
		uint64_t began = thread_ns();
		j->run(j);
		atomic_fetch_add(&l->spent, thread_ns() - began);
		pthread_mutex_lock(&p->lock);
		line_over(p, l);
		pthread_cond_broadcast(&p->finished);
		pthread_mutex_unlock(&p->lock);
		j->done(j);
		pthread_mutex_lock(&p->lock);
	} while (!p->idle || p->ready);
	p->threads--;
	pthread_cond_broadcast(&p->finished);
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void *first_main(void *opaque)
{
	struct paths *p = opaque;
	struct cassin_error_text err;
	int r = cassin_sandbox_enter(p->how.sandbox, p->how.role, &err);
	p->confined = r;
	sem_post(&p->started);
	return r ? NULL : serve(p); /* if not, p may be gone */
}

static int thread_start(struct paths *p, void *(*fn)(void *))
{
	pthread_t thread;
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setstacksize(&attributes, STACK_BYTES);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	int r = -pthread_create(&thread, &attributes, fn, p);
	pthread_attr_destroy(&attributes);
	p->threads += !r;
	return r;
}

static void destroy(struct paths *p)
{
	pthread_cond_destroy(&p->filled);
	pthread_cond_destroy(&p->finished);
	pthread_mutex_destroy(&p->lock);
	sem_destroy(&p->started);
	free(p);
}

int paths_start(struct paths **out, const struct paths_how *how)
{
	pthread_condattr_t monotonic;
	struct paths *p = calloc(1, sizeof *p);
	if (!p)
		return -ENOMEM;
	p->how = *how;
	sem_init(&p->started, 0, 0);
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&p->filled, NULL);
	pthread_cond_init(&p->finished, &monotonic);
	pthread_condattr_destroy(&monotonic);
	int r = thread_start(p, first_main);
	while (!r && sem_wait(&p->started) && errno == EINTR) {
	}
	if (!r)
		r = p->confined;
	if (r)
		destroy(p);
	else
		*out = p;
	return r;
}

void paths_post(struct paths *p, struct path_line *l, struct path_job *j)
{
	j->next = NULL;
	pthread_mutex_lock(&p->lock);
	if (l->first) {
		l->last->next = j;
	} else {
		l->first = j;
		l->group = group_get(p, l->name);
		line_waits(p, l);
	}
	l->last = j;
	pthread_mutex_unlock(&p->lock);
}

/* Waits for the end of a job. False: it is `until`. With the lock. */
static bool await_one(struct paths *p, uint64_t until)
{
	struct timespec end = {.tv_sec = (time_t)(until / 1000000000), .tv_nsec = (long)(until % 1000000000)};
	return pthread_cond_timedwait(&p->finished, &p->lock, &end) != ETIMEDOUT;
}

void paths_await(struct paths *p, struct path_line *l, uint64_t ns)
{
	uint64_t until = monotonic_ns() + ns;
	pthread_mutex_lock(&p->lock);
	while (l->first && await_one(p, until)) {
	}
	pthread_mutex_unlock(&p->lock);
}

bool paths_stop(struct paths *p, uint64_t ns)
{
	uint64_t until = monotonic_ns() + ns;
	if (!p)
		return true;
	pthread_mutex_lock(&p->lock);
	p->stopping = true;
	pthread_cond_broadcast(&p->filled);
	while (p->threads && await_one(p, until)) {
	}
	bool over = !p->threads;
	pthread_mutex_unlock(&p->lock);
	if (over)
		destroy(p);
	return over;
}
