/* SPDX-License-Identifier: MIT */
/*
 * The account of the host's memory. The pool is a number of pages that all of an engine's guests may use together: frames of
 * cells, and pages of the process's own memory that is held on somebody's account. An account has bytes by kind; the pool is
 * asked for whole pages of their sum, so that what is rounded up is less than a page for each account. Any thread; no lock.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What all cells together, and all accounts, may use. */
struct frame_pool {
	uint64_t limit;                   /* pages */
	atomic_uint_fast64_t used;        /* of them */
	atomic_uint_fast64_t host;        /* of these, by accounts */
	atomic_uint_fast64_t quarantined; /* of these, page tables of the dead: frames of use to nobody yet */
	bool (*reclaim)(void *opaque);    /* gives such back; NULL: nobody does */
	void *opaque;
};
/* Counts n pages. 0, -ENOMEM. */
int frame_pool_take(struct frame_pool *p, uint64_t n);
void frame_pool_give(struct frame_pool *p, uint64_t n);
/* For who has found it full: has frames given back that are of use to nobody. True: some were, so another try is worth it. Flushes a
 * cell; no lock of a cell, or of the list of cells, is held. */
bool frame_pool_reclaim(struct frame_pool *p);

/* Memory of the process that is not a cell's. */
enum account_kind {
	ACCOUNT_PARKED,     /* guests' memory, compressed */
	ACCOUNT_FROZEN,     /* templates' pages */
	ACCOUNT_IMAGES,     /* images' files, in use or kept for the next spawn */
	ACCOUNT_FILES,      /* files of specs, each content once, and lists of them */
	ACCOUNT_OPERATIONS, /* that pend */
	ACCOUNT_STREAMS,    /* handles, and bytes on their way */
	ACCOUNT_CONSOLES,
	ACCOUNT_TRACES,
	ACCOUNT_REPORTS, /* of crashes */
	ACCOUNT_GUESTS,  /* what each of them takes by being there */
	ACCOUNT_KINDS
};

struct account {
	struct frame_pool *pool; /* NULL: it only counts */
	uint64_t limit; /* bytes, but for those parked, and traces: who traces a guest takes none of its room */
	atomic_uint_fast64_t total;
	atomic_uint_fast64_t bytes[ACCOUNT_KINDS];
};

/* *a is zero. */
void account_init(struct account *a, struct frame_pool *pool, uint64_t limit);
/* 0; -ENOMEM: beyond its limit or the pool, and nothing is charged. */
int account_charge(struct account *a, enum account_kind kind, uint64_t bytes);
/* Whatever the limits: for small things without which nothing can go on, and for what takes the place of something larger. */
void account_force(struct account *a, enum account_kind kind, uint64_t bytes);
void account_uncharge(struct account *a, enum account_kind kind, uint64_t bytes);
uint64_t account_bytes(const struct account *a, enum account_kind kind);

#endif
