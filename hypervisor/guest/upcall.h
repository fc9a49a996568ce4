/* SPDX-License-Identifier: MIT */
/*
 * Virtual interrupts: events that wait for a guest, as bits, and upcalls, which report them. Bits, not queues: however
 * much happens, a guest owes itself one upcall. All on the owner's thread, while the guest does not run.
 */
#ifndef UPCALL_H
#define UPCALL_H

#include "base/deadlines.h"
#include "base/types.h"

struct guest;

/* How the guest is interrupted, as it has asked for it. Zeros: it is not. */
struct upcall_wanted {
	uint64_t entry;             /* 0: no upcalls */
	uint64_t stack, stack_size; /* lowest address, bytes */
	gva_t mask;                 /* the guest's word: events that it does not want now */
	uint64_t timer;             /* when the timer event comes, monotonic ns; 0: off */
};

struct upcalls {
	uint64_t pending;  /* CASSIN_EVENT_* */
	uint64_t wait_for; /* while the guest blocks: events that end its wait */
	struct upcall_handler {
		struct upcall_wanted is;
		struct deadline timer;
		struct guest *guest;
	} * handler; /* made when the guest first asks for one: most guests have none; malloc'd */
};

/* What the guest has asked for last. */
static inline const struct upcall_wanted *upcall_wanted(const struct upcalls *u)
{
	static const struct upcall_wanted nothing;
	return u->handler ? &u->handler->is : &nothing;
}

/* The two calls. -EINVAL, -EFAULT, -ENOMEM: nothing has changed. upcall_return() has replaced all registers else. */
int upcall_set(struct guest *g, const struct upcall_wanted *wanted);
int upcall_return(struct guest *g, gva_t frame, uint64_t timer);

/* An event has come: it is noted, and shown in the info page; a guest that waits for it wakes. */
void upcall_raise(struct guest *g, uint64_t events);
/* Events that are no longer so, or that the guest was told. */
void upcall_lower(struct guest *g, uint64_t events);
/* Writes the pending events to the info page, if the guest has touched it. */
void upcall_show(struct guest *g);
/* The events that an upcall is due for now: pending, and not masked. A mask that cannot be read dooms the guest. */
uint64_t upcall_due(struct guest *g);
/* Interrupts the guest's own code: puts its registers on the upcall stack and lets it go on at the entry, with everything
 * masked. Dooms it when stack or mask cannot be written, or the stack is full. */
void upcall_deliver(struct guest *g, uint64_t events);
/* The guest is about to block, until an upcall is due or one of the events `wake` has come at the latest. True: it must not, as
 * that is so, or it is doomed now. */
bool upcall_before_wait(struct guest *g, uint64_t wake);
/* To be asked before a call that cannot be made again. False: there is no memory for the mask, and the guest waits for some. */
bool upcall_mask_there(struct guest *g);
/* Whether an event ends the wait of a guest that blocks. */
bool upcall_ends_wait(const struct guest *g);
/* Raises the timer event if it is due and its deadline has not fired yet. */
void upcall_look(struct guest *g, uint64_t now);
/* Starts the timer's deadline on the guest's worker, where it has just arrived. Stops it: the guest leaves. */
void upcall_resume(struct guest *g);
void upcall_suspend(struct guest *g);
/* A clone has what its template had, but for the deadline. -ENOMEM. */
int upcall_begin(struct guest *g, uint64_t pending, uint64_t wait_for, const struct upcall_wanted *wanted);
/* The incarnation is over; its timer is stopped. */
void upcall_forget(struct guest *g);

#endif
