/* SPDX-License-Identifier: MIT */
/*
 * The watcher: one thread that kicks a worker out of a long computation when its loop has something to do, steers the
 * clock page once a second and whenever the host's clock is set, and gives back the kernel's memory for cells that went idle.
 */
#ifndef WATCHER_H
#define WATCHER_H

#include <pthread.h>
#include <stdbool.h>

struct engine;
struct worker;

struct watcher {
	struct engine *engine;
	pthread_t thread;
	int epoll;
	int stop;  /* eventfd */
	int steps; /* timerfd that tells when the host's wall clock was set */
	bool started;
};

int watcher_start(struct watcher *w, struct engine *e);
void watcher_stop(struct watcher *w);
/* Watches a worker's loop, once: the next event kicks it. The worker's thread. */
void watcher_arm(struct watcher *w, struct worker *worker);
void watcher_disarm(struct watcher *w, struct worker *worker);

#endif
