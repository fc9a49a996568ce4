/* SPDX-License-Identifier: MIT */
/*
 * The account of the host's memory. An account has bytes by kind; the pool is asked for whole pages of their sum, so that what is
 * rounded up is less than a page for each account. Any thread; no lock.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "base/pool.h"

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
	ACCOUNT_REPORTS,   /* of crashes */
	ACCOUNT_GUESTS,    /* what each of them takes by being there */
	ACCOUNT_PROCESSES, /* that guests run in where there is no KVM: the kernel's memory */
	ACCOUNT_KINDS
};

struct account {
	struct frame_pool *pool; /* NULL: it only counts */
	struct pool_part *part;  /* of the domain whose it is; NULL: nobody's */
	uint64_t limit; /* bytes, but for those that take none of a guest's own room: parked, traces, processes */
	atomic_uint_fast64_t total;
	atomic_uint_fast64_t bytes[ACCOUNT_KINDS];
};

/* *a is zero. */
void account_init(struct account *a, struct frame_pool *pool, uint64_t limit);
/* 0; -EDQUOT: beyond its limit; -ENOMEM: the pool is full, although what is of use to nobody was given back. Nothing is charged then.
 * No lock is held that frame_pool_reclaim() needs. */
int account_charge(struct account *a, enum account_kind kind, uint64_t bytes);
/* The same for what takes the place of something that was just given back: the pool is not asked. 0, -EDQUOT. */
int account_replace(struct account *a, enum account_kind kind, uint64_t bytes);
/* The same, but nothing is given back for it. */
int account_try(struct account *a, enum account_kind kind, uint64_t bytes);
/* Whatever the limits: for small things without which nothing can go on, and for what takes the place of something larger. */
void account_force(struct account *a, enum account_kind kind, uint64_t bytes);
void account_uncharge(struct account *a, enum account_kind kind, uint64_t bytes);
uint64_t account_bytes(const struct account *a, enum account_kind kind);

#endif
