/* SPDX-License-Identifier: MIT */
/*
 * User mode: code that a guest runs in a space of its own, by its user_run call. While it runs, the guest's registers are
 * its registers, and those of the guest's own code are put aside here. All on the owner's thread.
 */
#ifndef USER_H
#define USER_H

#include "base/types.h"
#include "cell/cpu_state.h"

struct guest;

struct user_run {
	unsigned space;             /* whose code runs; 0: the guest's own */
	struct user_caller *caller; /* made at the first run: most guests have no user code; malloc'd */
};

/* The guest's own code, at its call; and what the call asked for. */
struct user_caller {
	struct cpu_registers regs;
	uint64_t fs_base;
	gva_t frame; /* where the user's registers go */
	uint64_t deadline, wake;
};

/* What ended a run, beside the result of the call. */
struct user_end {
	uint64_t events, vector, error, address;
};

/* The user_run call: checks the frame and puts its registers in place. -EINVAL, -EFAULT, -ENOMEM: nothing has changed. */
int user_enter(struct guest *g, uint64_t space, gva_t frame, uint64_t deadline);
/* Ends the run: its registers and *end (NULL: zeros) go to the frame; the guest's own code goes on behind its call, with
 * this result. A frame that cannot be written dooms the guest. */
void user_leave(struct guest *g, int64_t result, const struct user_end *end);
/* Ends the run if its deadline has passed, if an event has come that it is to end for, or if an upcall is due for the events
 * `upcall`. Nothing happens when there is none. */
void user_end_if_due(struct guest *g, uint64_t now, uint64_t upcall);
/* Forgets the run: the guest's own code is where it called. Nothing happens when there is none. */
void user_drop(struct guest *g);
/* The incarnation is over, with the run that it may be in. */
void user_forget(struct guest *g);

#endif
