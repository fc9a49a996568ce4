/* SPDX-License-Identifier: MIT */
/* Guests in a worker's run queue, and those that wait. The owner's thread. */
#ifndef WAIT_H
#define WAIT_H

#include "base/schedule.h"

struct guest;
struct worker;

/* Makes a guest runnable; one whose cap is used up waits for its next period first. Owner's thread, as all of these. */
void worker_enqueue(struct worker *w, struct guest *g, enum share_why why);
/* Gives a guest that is not runnable turns for the work that waits for it (guest/work.h). */
void worker_enqueue_work(struct worker *w, struct guest *g);
/* Takes a guest out again, whatever it was in the queue for. */
void worker_dequeue(struct worker *w, struct guest *g);
/* Takes out what may still fire for a guest that leaves its worker or ends, but for its operations' deadlines. */
void worker_forget(struct worker *w, struct guest *g);
/* Counts g among those that want the CPU, until worker_left(). */
void worker_entered(struct worker *w, struct guest *g);
/* Takes out the guest whose turn it is; NULL: none is runnable. It counts until worker_left(). */
struct guest *worker_next(struct worker *w);
void worker_left(struct worker *w, struct guest *g);
/* Makes a guest wait for `count` unread completions or an upcall, for its deadline at most. True: there is nothing to wait
 * for. */
bool guest_wait(struct guest *g, uint32_t count, uint64_t deadline);
/* Wakes a blocked guest: its wait is over (ring_post, its deadline, an upcall) or it is doomed. */
void guest_wake(struct guest *g);

#endif
