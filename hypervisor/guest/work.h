/* SPDX-License-Identifier: MIT */
/*
 * What a worker does for a guest outside that guest's turns: devices serve what sockets, pipes and timers bring, messages are
 * answered, memory is parked. All of it is charged to the guest's share and cap. A little is done at once, when it comes. What is
 * more than that, or comes while the guest's cap is used up, waits in the guest's list of work, and the guest's place in the run
 * queue decides when it is done: in slices, as its computing is. The owner's thread, all of it.
 */
#ifndef WORK_H
#define WORK_H

#include <stdbool.h>
#include <stdint.h>

struct guest;
struct worker;

#define WORK_AT_ONCE_NS UINT64_C(200000) /* for one guest in one look at the loop, before its work waits */
#define WORK_PIECES 8u /* bounded pieces that one event is served at once: a read, a write, an accept */

/* A piece of work that waits; lies in what is to be worked on. `fn` does some of it, while work_goes_on(): it is in no list when
 * called, and may be put in again. */
struct work {
	struct work *next, **link; /* what leads to it; NULL: it is in no list */
	void (*fn)(struct work *w);
};

static inline bool work_queued(const struct work *w)
{
	return w->link;
}

/* A guest's; all zero: nothing waits. */
struct work_list {
	struct work *ahead;        /* goes before all others: what they need, or what ends their need */
	struct work *first, **end; /* NULL: &first */
	uint64_t owed;             /* ns, charged while its share was in a queue */
	uint64_t look, ns;         /* the worker's look at the loop, and what was done for the guest at once in it */
	uint64_t ended;            /* when the last work did; the guest has slept since */
	unsigned pieces;           /* left of the present event */
	bool inside;               /* between guest_work_begin() and guest_worked() */
	bool on;                   /* the guest has a turn for its work */
	bool had_turn;             /* its last turn was one for its work: the next is its own */
};

/* Charges g for what is done between the two, whatever it is: they ask nobody's leave. Nested, and in g's turn, they do nothing. */
uint64_t guest_work_begin(struct guest *g);
void guest_worked(struct guest *g, uint64_t began);
/* Charges g for a turn, and what it owes. */
void guest_charge_turn(struct guest *g, uint64_t ns);

/* An event has come for a device of g. True: it may be served now. False: the cap is used up, or enough was done at once, or work
 * waits already: work_later(). */
bool work_at_once(struct guest *g);
/* Whether one more bounded piece may be done for g now: in its turn and its work's turn, until the worker is kicked; for an event
 * that is served at once, WORK_PIECES of them. The first may, without asking. */
bool work_goes_on(struct guest *g);
/* Puts work on g's list, unless it is there. */
void work_later(struct guest *g, struct work *work);
/* The same before all others, and before g's own turns; there is one such at a time. */
void work_ahead(struct guest *g, struct work *work);
/* Takes it out again; nothing happens when it is not there. */
void work_drop(struct guest *g, struct work *work);
/* Whether g's memory sleeps (memory_sleeps()), or g waits for memory (guest/want.h), or what was held for that is still to be posted.
 * It is woken then, in pieces, as work that goes ahead; so what needs the memory is to be done as work of the guest. */
bool guest_wakes_first(struct guest *g);
/* Sees to it that a guest which is in no queue gets turns for the work that waits. */
void work_schedule(struct guest *g);
/* Whether the turn that g now has is one for its work. */
bool work_due(const struct guest *g);
/* Does waiting work until there is none or the worker is kicked, and charges it. */
void work_run(struct worker *w, struct guest *g);

#endif
