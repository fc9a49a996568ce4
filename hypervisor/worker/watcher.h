/* SPDX-License-Identifier: MIT */
/*
 * The watcher: one thread that kicks a worker out of a long computation when its loop has something to do, and does the
 * engine's housekeeping once a second and whenever the host's clock is set.
 */
#ifndef WATCHER_H
#define WATCHER_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stdint.h>

struct worker;
struct workers;

struct watcher {
	struct workers *workers;
	void (*tick)(void *opaque);
	void *opaque;
	pthread_t thread;
	int epoll;
	int stop;  /* eventfd */
	int steps; /* timerfd that tells when the host's wall clock was set */
	bool started;
	sem_t ready;  /* posted when the thread is confined, */
	int confined; /* or could not be: a negative errno code */
};

/* Calls tick(opaque) about once a second, and whenever the host's wall clock is set. -errno. */
int watcher_start(struct watcher *w, struct workers *workers, void (*tick)(void *opaque), void *opaque);
void watcher_stop(struct watcher *w); /* nothing happens if it was never started */
/* Watches a worker's loop, once: the next event kicks it. The worker's thread. */
void watcher_arm(struct watcher *w, struct worker *worker);
void watcher_disarm(struct watcher *w, struct worker *worker);

#endif
