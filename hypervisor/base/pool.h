/* SPDX-License-Identifier: MIT */
/*
 * The pool: a number of pages that all of an engine's guests may use together, frames of cells and pages of the process's own memory
 * alike; each domain's part in it; and who waits for pages when it is full. Pure but for one lock, which is the innermost. Any thread.
 *
 * Who waits is served when pages come free: domains that have less than an even part of the pool before those that have more, among
 * these by turns, and within a domain the oldest first of those that fit. Who has waited for half of the patience is passed no longer:
 * what comes free is kept for it. Pages that are kept are not given to others, not to those either who were served themselves and take
 * more than was kept for them; but a domain with less than its even part takes no notice of what is kept for one with more, or that
 * would have more by it: so nobody who fills the pool takes from another domain what it could have had.
 *
 * The last pages of the pool are spared: they are for domains with less than their even part, so that there is room for a guest of
 * another domain where one has filled the pool, and gives nothing back.
 */
#ifndef POOL_H
#define POOL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Pages that are kept for somebody, who takes them while pool_spend() has them spent. Zeros: there are none. */
struct pool_kept {
	uint64_t pages;
	struct pool_part *part;  /* whose; NULL: nobody's */
	bool refused;            /* the pool was full when more was taken by whoever spends them */
	bool modest;             /* with them its domain has no more than its even part */
	struct pool_kept *under; /* what is spent when these are */
};

/* One that waits for pages. Zeros: it does not. */
struct want {
	struct want *next, *before; /* of its domain's */
	struct pool_part *part;
	uint64_t pages;        /* as many as it is thought to need, */
	struct pool_kept kept; /* and those that are kept for it */
	uint64_t since;        /* monotonic ns */
	bool polled;           /* who waits looks for itself whether it is served */
	enum { WANT_NOTHING, WANT_WAITS, WANT_SERVED } state;
};

/* A domain's. */
struct pool_part {
	struct pool_part *next;
	struct pool_part *turn; /* the next one of which some wait */
	unsigned refs;
	atomic_uint_fast64_t used, kept; /* pages */
	struct want *first, *last;       /* the oldest first */
	char *name;
};

/* All zero but for the limit: nobody waits. */
struct frame_pool {
	uint64_t limit;                   /* pages */
	uint64_t spared;                  /* of them, for domains with less than their even part */
	atomic_uint_fast64_t used;        /* of them */
	atomic_uint_fast64_t host;        /* of these, by accounts */
	atomic_uint_fast64_t quarantined; /* of these, page tables of the dead: frames of use to nobody yet */
	bool (*reclaim)(void *opaque);    /* gives back what nobody needs; NULL: nobody does */
	void *opaque;
	uint64_t patience;                           /* ns that one waits at most */
	void (*serve)(void *opaque, struct want *w); /* pages are kept for w now; the lock is held */
	pthread_mutex_t lock;                        /* of what follows */
	struct pool_part *parts;                     /* of all domains */
	struct pool_part *turns, *turns_end;         /* those of which some wait, the next in turn first */
	struct pool_part nobody;                     /* of those that have no domain */
	unsigned nparts;
	struct want *reserved; /* is passed no longer; NULL: nobody */
	atomic_uint waiting;
	atomic_uint_fast64_t kept_modest, kept_greedy; /* for domains with less than their even part, and with more */
};

/* Counts n pages; `part`: whose (NULL: nobody's). 0, -ENOMEM. */
int frame_pool_take(struct frame_pool *p, struct pool_part *part, uint64_t n);
void frame_pool_give(struct frame_pool *p, struct pool_part *part, uint64_t n);
/* The same for an account: whatever the limit. False: it is beyond what there is. */
bool frame_pool_force(struct frame_pool *p, struct pool_part *part, uint64_t n);
/* For who has found it full: has pages given back that are of use to nobody, or can be made again, RECLAIMS_MOST times at most;
 * *tries is 0 at first. True: some were, so another try is worth it. Flushes cells and frees images: no lock is held. */
bool frame_pool_reclaim(struct frame_pool *p, unsigned *tries);

/* The part of a domain, a reference. NULL: no memory. */
struct pool_part *pool_part_get(struct frame_pool *p, const char *domain);
void pool_part_put(struct frame_pool *p, struct pool_part *part); /* NULL is fine */
/* Whether it has no more than an even part of the pool, with what is kept for it. */
bool pool_part_modest(struct frame_pool *p, struct pool_part *part);

/* Puts w among those that wait for `pages`, as of `since`; it may be served at once. */
void want_wait(struct frame_pool *p, struct pool_part *part, struct want *w, uint64_t pages, uint64_t since);
/* Whether it still waits. */
bool want_waits(struct frame_pool *p, const struct want *w);
/* For who has used `pages` up and needs more: twice as many, but not so many that there are never enough. */
uint64_t want_more(const struct frame_pool *p, uint64_t pages);
/* It waits no longer, and nothing is kept for it. */
void want_drop(struct frame_pool *p, struct want *w);
/* Looks whether somebody can be served, or is to be passed no longer. */
void pool_serve(struct frame_pool *p);
/* Keeps n pages for one who gives them back to take others instead; and what is left of them no longer. */
void pool_keep(struct frame_pool *p, struct pool_part *part, struct pool_kept *k, uint64_t n);
void pool_keep_no_longer(struct frame_pool *p, struct pool_kept *k);
/* From now on what the calling thread takes is of these, as long as there are some: beyond them it may take what others may. Until
 * pool_spent(), in the reverse order. */
void pool_spend(struct pool_kept *k);
void pool_spent(struct pool_kept *k);
/* What the calling thread takes for nobody, it takes for this domain; NULL: for none. */
void pool_on_behalf(struct pool_part *part);

#endif
