/* SPDX-License-Identifier: MIT */
/* Engines as a daemon has them: their threads have given up their rights, and each is confined to the system calls of its role. The
 * test's own thread is none of these: it keeps its rights, and may look at whatever it likes. */
#ifndef ENGINES_H
#define ENGINES_H

#include "runner.h"

/* What is done on the thread that makes an engine; each may be NULL. */
struct making {
	void (*first)(void *opaque); /* its rights are given up, its sandbox is there, and it makes the engine next */
	/* The engine is there (r: 0) or not. Threads that are made here may enter a role, too. */
	void (*last)(void *opaque, const struct cassin_sandbox *sandbox, int r);
	void *opaque;
};

/* The world's engine. -errno, and what cannot be had in *err. */
int engine_make(struct world *w, struct cassin_engine_options options, struct cassin_error_text *err);
int engine_make_by(struct world *w, struct cassin_engine_options options, const struct making *m,
		   struct cassin_error_text *err);
/* Ends it, if there is one. */
void engine_end(struct world *w);

#endif
