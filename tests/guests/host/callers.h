/* SPDX-License-Identifier: MIT */
/* Threads that call the engine as a daemon's do: each confined to its role. */
#ifndef CALLERS_H
#define CALLERS_H

#include "runner.h"

/* On the thread that has made the engine (struct making). */
void callers_start(const struct cassin_sandbox *sandbox);
/* Has the thread of a role (LOOP, CONTROL, LOADER or DEBUGGER) call run(opaque), and waits until it has returned. */
void call_as(struct world *w, enum cassin_sandbox_role role, void (*run)(struct world *w, void *opaque), void *opaque);
/* Before the engine's end. */
void callers_end(void);

#endif
