/* SPDX-License-Identifier: MIT */
/* A TCP port of 127.0.0.1 on which `cassin run` waits for debuggers of its guest, one after another, on a thread of its own. */
#ifndef GDB_PORT_H
#define GDB_PORT_H

#include "../common/gdb_session.h"

struct gdb_port;

/* Listens; port 0: any that is free. *actual is the one. NULL: *err says why. */
struct gdb_port *gdb_port_open(unsigned port, unsigned *actual, struct cassin_error_text *err);
/* What cassin_engine_debug_spawn() is to be given; then the guest that it has spawned, and the thread starts. */
struct gdb_target *gdb_port_target(struct gdb_port *p);
int gdb_port_start(struct gdb_port *p, const struct cassin_sandbox *s);
/* Ends session and thread; before the engine is destroyed. NULL is fine. */
void gdb_port_close(struct gdb_port *p);

#endif
