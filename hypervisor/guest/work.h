/* SPDX-License-Identifier: MIT */
/*
 * Work that is done for a guest outside its turns: bytes moved when a socket is ready, timers, messages, parking. It is charged to
 * the guest as a turn is, and waits when the guest has had its part: in one look at the loop no more than a slice, nothing while its
 * cap is used up, and nothing while it is far ahead of others that want the worker. The owner's thread.
 */
#ifndef WORK_H
#define WORK_H

#include <stdint.h>

struct guest;

struct work {
	uint64_t look; /* the worker's look at its loop in which it was done, */
	uint64_t ns;   /* and how much */
};

/* Whether work may be done for g now: 0, or the monotonic time before which it may not. In g's own turn it always may. */
uint64_t guest_work_wait(struct guest *g);
/* The present time, for guest_worked(). */
uint64_t guest_work_begin(const struct guest *g);
/* Charges g for what was done since `began`. In g's own turn it is the turn that is charged. */
void guest_worked(struct guest *g, uint64_t began);
/* Has the devices watch nothing for g until then. */
void guest_stall(struct guest *g, uint64_t until);

#endif
