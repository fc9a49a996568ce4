/* SPDX-License-Identifier: MIT */
/* Lists of threads, and the queue of those that are ready. Pure. */
#ifndef READY_H
#define READY_H

#include <stdint.h>

#include <cassin/kernel/thread.h>

/* Puts it at the end; behind those of the same or a higher priority. */
void waiters_append(struct cassin_waiters *list, struct cassin_thread *t);
void waiters_insert(struct cassin_waiters *list, struct cassin_thread *t);
/* Takes it out of the list it is in. */
void waiters_remove(struct cassin_thread *t);

/* A list for each priority. All zero: empty. */
struct ready {
	uint32_t filled; /* a bit for each priority with a thread */
	struct cassin_waiters level[CASSIN_PRIORITY_MOST + 1];
};

void ready_put(struct ready *r, struct cassin_thread *t);
void ready_remove(struct ready *r, struct cassin_thread *t);
/* Takes the first of the highest priority. NULL: none. */
struct cassin_thread *ready_take(struct ready *r);

/* The highest priority with a ready thread, -1: none. */
static inline int ready_top(const struct ready *r)
{
	return r->filled ? 31 - __builtin_clz(r->filled) : -1;
}

#endif
