/* SPDX-License-Identifier: MIT */
/*
 * Work at paths that an operator chose, for guests: the file system there may be slow, or hang, so threads of their own do it, never a
 * worker's or a loop's. Jobs of one line, a guest's, are done in turn, so that a guest whose file system hangs has one thread; jobs of
 * several lines beside each other, on up to PATHS_THREADS_MOST threads, of which all but one are made when needed.
 */
#ifndef PATHS_H
#define PATHS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <cassin/sandbox.h>

#define PATHS_THREADS_MOST 32u

struct paths;

struct path_job {
	struct path_job *next;
	void (*run)(struct path_job *j); /* on such a thread */
	void (*done)(
		struct path_job *j); /* there, once its line does not know it any more: the line and the job may go */
};

/* Zeros: empty. */
struct path_line {
	struct path_job *first, *last;
	struct path_line *next;
	atomic_uint_fast64_t
		spent; /* ns of CPU time that its jobs have taken, until whoever has the line takes it out and pays */
};

/* Starts the first thread, confined by `sandbox` (NULL: by nothing). -errno. */
int paths_start(struct paths **out, const struct cassin_sandbox *sandbox);
/* Any thread. */
void paths_post(struct paths *p, struct path_line *l, struct path_job *j);
/* Waits until nothing is left in the line, or for so long. */
void paths_await(struct paths *p, struct path_line *l, uint64_t ns);
/* Has what is left done, and waits for it for so long. False: something hangs. Then everything that its jobs use must stay as it is, for
 * they may go on at any time. NULL: true. */
bool paths_stop(struct paths *p, uint64_t ns);

#endif
