/* SPDX-License-Identifier: MIT */
/*
 * Work at files that may be slow, or hang, for guests: at paths that an operator chose, and in the swap file. Threads of their own do
 * it, never a worker's or a loop's. Jobs of one line, a guest's, are done in turn, so that a guest whose file system hangs has one
 * thread; jobs of several lines beside each other, on threads of which all but one are made when needed. Lines with one name, those of
 * a domain, have a part of the threads at most, and names take turns: a domain whose files hang holds up no other.
 */
#ifndef PATHS_H
#define PATHS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <cassin/sandbox.h>

#include "base/path_job.h"

#define PATHS_THREADS_MOST 64u /* for paths: 16 domains may hang before others wait */
#define PATHS_OF_A_DOMAIN 4u

struct paths;
struct path_group;

struct paths_how {
	const struct cassin_sandbox *sandbox; /* NULL: none */
	enum cassin_sandbox_role role;
	unsigned threads, of_a_group; /* at most: in all, and for lines of one name */
};

/* Zeros, but for the name: empty. */
struct path_line {
	struct path_job *first, *last;
	struct path_line *next;
	const char *name; /* whose it is, besides others; NULL: nobody's. It stays while there are jobs */
	struct path_group *group;
	atomic_uint_fast64_t
		spent; /* ns of CPU time that its jobs have taken, until whoever has the line takes it out and pays */
};

/* Starts the first thread, confined to the role. -errno. */
int paths_start(struct paths **out, const struct paths_how *how);
/* Any thread. */
void paths_post(struct paths *p, struct path_line *l, struct path_job *j);
/* Waits until nothing is left in the line, or for so long. */
void paths_await(struct paths *p, struct path_line *l, uint64_t ns);
/* Has what is left done, and waits for it for so long. False: something hangs. Then everything that its jobs use must stay as it is, for
 * they may go on at any time. NULL: true. */
bool paths_stop(struct paths *p, uint64_t ns);

#endif
