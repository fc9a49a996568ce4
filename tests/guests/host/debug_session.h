/* SPDX-License-Identifier: MIT */
/* A test's debugger. As the runner's functions, these end the test when something fails. */
#ifndef DEBUG_SESSION_H
#define DEBUG_SESSION_H

#include <semaphore.h>
#include <signal.h>

#include <cassin/debug.h>

#include "runner.h"

struct session {
	struct cassin_debugger *d;
	uint64_t guest;
	sem_t rung;
};

/* For attaching by hand: opaque is the session's semaphore. */
void session_notify(void *opaque);
void attach(struct world *w, struct session *s, uint64_t guest);
void spawn_stopped(struct world *w, struct session *s, const char *name, const char *image, const char *args);
struct cassin_debug_event await_event(struct world *w, struct session *s);
/* The next event, which must be a stop for this reason. */
struct cassin_debug_event expect_stop(struct world *w, struct session *s, int sig);
void resume(struct session *s);
struct cassin_debug_registers registers(struct session *s);
/* One instruction; where the guest is then. */
uint64_t step(struct world *w, struct session *s);
/* Whether a guest uses the CPU, within five seconds. */
bool runs_on(struct world *w, uint64_t id);

#endif
