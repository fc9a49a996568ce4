/* SPDX-License-Identifier: MIT */
/* One guest with its console on stdio, until it ends or a signal ends it. */
#ifndef FOREGROUND_H
#define FOREGROUND_H

#include <cassin/engine.h>

struct foreground_options {
	unsigned workers;
	enum cassin_sandbox_mode sandbox;
	bool gdb; /* it waits for a debugger on this port */
	unsigned gdb_port;
	bool trace; /* from its first instruction, to this file; NULL: standard error */
	const char *trace_path;
};

/* Returns the exit code that `cassin run` promises. What goes wrong is reported on stderr. */
int foreground_run(const struct cassin_guest_spec *spec, const struct foreground_options *o);

#endif
