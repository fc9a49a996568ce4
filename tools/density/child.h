/* SPDX-License-Identifier: MIT */
/* A process that the lab starts. It is in a process group of its own, so that Ctrl-C reaches the lab alone, and it dies
 * with the lab. */
#ifndef DENSITY_CHILD_H
#define DENSITY_CHILD_H

#include <stdbool.h>
#include <sys/types.h>

struct child {
	pid_t pid;   /* 0: none */
	int status;  /* as waitpid() has it, once it has ended */
	int in, out; /* the lab's ends of its standard input and output; -1: not connected */
};

/* Starts argv (searched in PATH unless it has a slash). `pipes`: its input and output are the lab's. `errors`: a
 * descriptor for its standard error, -1: the lab's own. `procs`: the control group's file that it writes itself into,
 * NULL or "": none. 0, -errno. */
int child_start(struct child *c, char *const *argv, bool pipes, int errors, const char *procs);
/* Whether the process has ended; *c says how. Waits for nothing. */
bool child_ended(struct child *c);
/* Signals its group, waits up to `patience_ms` for its end, then kills it. */
void child_stop(struct child *c, int signal, unsigned patience_ms);
/* "exited with 3", "was killed by signal 9". */
const char *child_fate(const struct child *c, char text[48]);

#endif
