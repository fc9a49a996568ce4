/* SPDX-License-Identifier: MIT */
/*
 * Upcalls: the guest is interrupted when an event comes. The handler is a C function; no other upcall comes while it runs,
 * unless it stores to the mask. What it may have interrupted it must leave alone: the rings, the heap and the console of
 * guest-lib know nothing of it, unless upcalls are masked around their use.
 */
#ifndef CASSIN_GUEST_UPCALL_H
#define CASSIN_GUEST_UPCALL_H

#include <cassin/guest/call.h>

/* Gets the events and what was interrupted, which it may change. Returns when the timer is to fire next (absolute, ns): 0
 * leaves it as it is. */
typedef uint64_t (*cassin_upcall_fn)(uint64_t events, struct cassin_upcall_frame *frame);

/* Events that are not wanted now; all, at the start. Stores take effect at once, but for an event that waits already: see
 * cassin_upcall_unmask(). */
extern volatile uint64_t cassin_upcall_mask;

/* Upcalls go to `fn` from now on, on a stack of `size` bytes, of which a KiB is taken for each upcall that is under way; fn
 * NULL: there are none any more. The timer is set as by the handler's result. 0 or a negated code. */
int cassin_upcall_set(cassin_upcall_fn fn, void *stack, uint64_t size, uint64_t timer);
/* Sets the mask; an event that waits and is wanted now comes before this returns. */
void cassin_upcall_unmask(uint64_t mask);
/* Events that wait, as far as the hypervisor has said. */
uint64_t cassin_upcall_pending(void);

#endif
