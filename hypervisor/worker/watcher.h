/* SPDX-License-Identifier: MIT */
/*
 * The watcher: one thread that kicks a worker out of a long computation when its loop has something to do, steers the
 * clock page once a second and whenever the host's clock is set, and gives back memory: the kernel's for cells that went idle,
 * frames that nobody needs, and of the heap what folding guests up has left free.
 */
#ifndef WATCHER_H
#define WATCHER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct engine;
struct worker;

struct watcher {
	struct engine *engine;
	pthread_t thread;
	int epoll;
	int stop;  /* eventfd */
	int steps; /* timerfd that tells when the host's wall clock was set */
	bool started;
	uint64_t parkings,
		parkings_trimmed; /* of the engine, at the last tick, and when the C library's heap was trimmed */
};

int watcher_start(struct watcher *w, struct engine *e);
void watcher_stop(struct watcher *w);
/* Watches a worker's loop, once: the next event kicks it. The worker's thread. */
void watcher_arm(struct watcher *w, struct worker *worker);
void watcher_disarm(struct watcher *w, struct worker *worker);

#endif
