/* SPDX-License-Identifier: MIT */
/*
 * The guest's rings. A small pair is there from the start, in static memory; a service with much in flight asks for a
 * larger one first.
 *
 *     struct cassin_sqe *sqe = cassin_sqe(CASSIN_OP_TIMEOUT, tag);
 *     sqe->offset = cassin_now() + 1000000;
 *     cassin_wait(1, CASSIN_FOREVER);
 *     struct cassin_cqe cqe;
 *     while (cassin_next(&cqe))
 *             ...
 */
#ifndef CASSIN_GUEST_RING_H
#define CASSIN_GUEST_RING_H

#include <stdbool.h>

#include <cassin/abi.h>

/* Sets up rings of these sizes (powers of two) on the heap, in place of those there were. 0, -CASSIN_ENOMEM,
 * -CASSIN_EINVAL, -CASSIN_EBUSY: operations are in flight or completions unread. Without it: 8 submissions,
 * 16 completions. */
int cassin_ring_init(uint32_t sq_entries, uint32_t cq_entries);
/* The same if there are no rings yet; the small pair, if the heap has no room. 0 or a negated code. */
int cassin_ring_ensure(uint32_t sq_entries, uint32_t cq_entries);
/* Entries of the completion ring; 0: there are no rings yet. */
uint32_t cassin_ring_completions(void);
/* The next free submission, zeroed, with op and user_data set. It is handed in by the next cassin_wait(); when the ring
 * is full, this one hands in first. NULL: the hypervisor takes no more until completions are read. */
struct cassin_sqe *cassin_sqe(uint8_t op, uint64_t user_data);
/* Hands in all submissions and waits until `least` completions are unread or the deadline (absolute, ns) has passed:
 * one exit, or none when there is nothing to do. While the hypervisor lacks room for completions some submissions may
 * stay behind (see cassin_ring_left()). 0 or a negated code. */
int cassin_wait(uint32_t least, uint64_t deadline);
/* Submissions that are not handed in yet. */
uint32_t cassin_ring_left(void);
/* Takes the oldest completion. False: there is none. */
bool cassin_next(struct cassin_cqe *out);
/* Does one operation and waits for its result; completions of other operations are dropped: for guests with nothing
 * else in flight. In a guest that links guest-kernel it blocks the calling thread, and nothing is dropped. */
int32_t cassin_do(const struct cassin_sqe *op);

#endif
