/* SPDX-License-Identifier: MIT */
/*
 * A debugger's client (GDB, by its remote serial protocol) and the guest that it debugs: one session, from a connection to its
 * end, on the caller's thread.
 */
#ifndef GDB_SESSION_H
#define GDB_SESSION_H

#include <cassin/debug.h>

struct gdb_target {
	struct cassin_engine *engine;
	uint64_t guest;
	struct cassin_debugger *debugger; /* NULL: gdb_session() attaches */
	int rung;                         /* eventfd that gdb_target_notify() writes */
	bool spawned;                     /* for the client, which is reported so: GDB then ends it when it quits */
};

/* For cassin_engine_debug_spawn(): opaque is the target. */
void gdb_target_notify(void *opaque);

/* Serves the client on fd, a socket, until it goes or the guest ends, or `quit`, a descriptor, is readable (-1: none); detaches
 * then. t->debugger is NULL afterwards. -errno: the guest cannot be attached to, and nothing was sent. */
int gdb_session(struct gdb_target *t, int fd, int quit);

#endif
