/* SPDX-License-Identifier: MIT */
/*
 * Operations: what a submission starts. Devices offer start functions (guest/device.h). All run on the worker that owns the
 * guest.
 */
#ifndef OP_H
#define OP_H

#include "base/deadlines.h"
#include "base/index.h"
#include "base/types.h"
#include "guest/request.h"

struct guest;
struct op;

#define OP_PENDING INT32_MIN /* the operation completes later, by op_complete() */
#define OP_AGAIN                                                                                                       \
	(INT32_MIN +                                                                                                   \
	 1) /* it is not done; to be started again, with the progress that it has left, before anything else */

/* Starts what *request asks for. Returns the result (>= 0 or
 * -errno), OP_PENDING after op_new(), or OP_AGAIN where the submission is the guest's present one (`submission`): a long one that
 * completes at once is done in bounded pieces, while work_goes_on(). Guest addresses are checked here and again when used. */
typedef int32_t (*op_start_fn)(struct guest *g, const struct request *request);

struct op {
	struct op *next, **link;     /* the guest's list of pending operations, the newest first */
	struct indexed by_user_data; /* in the guest's index of them */
	struct guest *guest;
	struct request request;
	struct op *queue_next, **queue_link; /* for the device: op_enqueue() */
	void (*cancel)(struct op *op);       /* takes it out of its device; the caller completes it */
	struct deadline deadline;            /* for the device: op_deadline(); it moves with the guest */
	bool timed;                          /* the deadline is wanted */
	bool held;                           /* over, with `result`: posted when its guest's memory is awake */
	int32_t result;
	uint64_t began;      /* monotonic ns, if its guest was traced then; else 0 */
	void *device;        /* for the device */
	void *buffer;        /* for the device: malloc'd, freed with the op */
	uint32_t done, size; /* for the device: progress */
};

/* Operations that wait for the same thing, the oldest first. Zeros and op_queue_init() make an empty one. */
struct op_queue {
	struct op *first, **last;
};

static inline void op_queue_init(struct op_queue *q)
{
	q->first = NULL;
	q->last = &q->first;
}

static inline void op_enqueue(struct op_queue *q, struct op *op)
{
	op->queue_next = NULL;
	op->queue_link = q->last;
	*q->last = op;
	q->last = &op->queue_next;
}

/* Takes an operation out of the queue that it is in, wherever it stands there. */
static inline void op_dequeue(struct op_queue *q, struct op *op)
{
	*op->queue_link = op->queue_next;
	if (op->queue_next)
		op->queue_next->queue_link = op->queue_link;
	else
		q->last = op->queue_link;
	op->queue_link = NULL;
}

/* A pending operation, on its guest's list. NULL: no memory (answer -ENOMEM). */
struct op *op_new(struct guest *g, const struct request *request, void (*cancel)(struct op *op));
/* Sets op->deadline, whose `fire` the device has set. */
void op_deadline(struct op *op, uint64_t when);
/* Ends it: posts the completion (which may wake the guest) and frees it; later, where the guest's memory sleeps, or there is none for
 * it, or it is in a passage. Its device knows it no more either way. */
void op_complete(struct op *op, int32_t result);
/* Posts the oldest completion that was held. 1; 0: there is none; -EAGAIN: the guest waits for memory. */
int op_post_held(struct guest *g);
/* Frees it without a completion (the guest has ended). The device must not know it any more. */
void op_drop(struct op *op);
/* Cancels and drops so many of a guest's operations at most. True: there are more. */
bool op_drop_some(struct guest *g, unsigned most);
/* The guest's pending operation with this user_data, the oldest if there are several; NULL. */
struct op *op_find(struct guest *g, uint64_t user_data);

/* Starts one submission; the result or OP_PENDING. Unknown op, unknown flags or reserved fields: -EINVAL. */
int32_t op_start(struct guest *g, const struct request *request);

#endif
