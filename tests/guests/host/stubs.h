/* SPDX-License-Identifier: MIT */
/* The processes that guests of process cells run in, as seen from outside. */
#ifndef STUBS_H
#define STUBS_H

#include <sys/types.h>

#include "engines.h"

#define STUBS_MOST 2048u
#define OTHER_UID                                                                                                      \
	(54321u + (unsigned)getppid() % 8192) /* not that of a run beside this one, whose processes would count */

extern pid_t stubs[STUBS_MOST]; /* what the next two have found */
/* Those of this process. */
unsigned find_stubs(void);
/* Waits until there are as many: a guest that is on its way to another worker has none just then. */
unsigned await_stubs(struct world *w, unsigned least);
/* Those of another process; with `zombies`, those too that have ended. */
unsigned stubs_of(pid_t parent, pid_t *out, bool zombies);
unsigned await_stubs_of(struct world *w, pid_t parent, pid_t *out, unsigned least);

/* Spawns n guests that are named after their image. */
void spawn_some(struct world *w, uint64_t *ids, unsigned n, const char *image, const char *args);
/* Makes the world an engine of process cells. */
void create_engine(struct world *w, unsigned workers);
/* In a child: it goes with this process, however that ends. */
void end_with(pid_t parent);
/* Runs something without an engine in a child, which must succeed. */
void in_child(struct world *w, void (*run)(struct world *w));

/* A test that runs on process cells whatever runs the others. */
#define ON_PROCESS(what, function, ...)                                                                                \
	{                                                                                                              \
		.name = "process." what, .run = function, .backend = CASSIN_BACKEND_PROCESS, __VA_ARGS__               \
	}

#endif
