/* SPDX-License-Identifier: MIT */
/*
 * Orderly ends. A guest is asked to stop by its devices (an accept is cancelled, console input ends) or by itself, with
 * cassin_stop(). A main() that has started its threads ends with `return cassin_stop_run();`.
 */
#ifndef CASSIN_KERNEL_STOP_H
#define CASSIN_KERNEL_STOP_H

#include <stdbool.h>
#include <stdint.h>

struct cassin_stop_hook {
	void (*run)(void *arg);
	void *arg;
	struct cassin_stop_hook *next; /* the kernel's own */
};

/* To be run when the guest stops, the last one first. The hook must stay. */
void cassin_stop_hook(struct cassin_stop_hook *hook);
/* Asks for the end, with this exit code; the first code counts. Never blocks. */
void cassin_stop(int code);
/* Whether somebody has. */
bool cassin_stopping(void);
/* Waits until somebody has. 0, -CASSIN_ETIMEDOUT. */
int cassin_stop_wait(uint64_t deadline);
/* Waits until somebody has, runs the hooks, and returns the exit code for main() to return. */
int cassin_stop_run(void);
/* Takes the end of console input for a request to stop; for guests without a listener. Input is kept for
 * cassin_console_line(), but if nobody reads the first CASSIN_LINE_MAX bytes the end is not seen. */
void cassin_stop_at_console_end(void);

#endif
