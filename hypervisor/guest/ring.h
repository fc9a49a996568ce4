/* SPDX-License-Identifier: MIT */
/* A guest's submission and completion rings. What the hypervisor writes it also keeps here; what the guest writes is
 * read once and checked. */
#ifndef RING_H
#define RING_H

#include "base/types.h"
#include "guest/request.h"

struct guest;

struct ring {
	gva_t ring, sqes, cqes;
	uint32_t sq_entries, cq_entries; /* 0: not set up */
	uint32_t sq_head, cq_tail;       /* ours */
	uint32_t cq_head;                /* the guest's, when last read */
	uint32_t left, done;             /* of an enter that is under way: submissions to be consumed, and consumed */
	bool under_way;                  /* one is: it is to go on */
};

/* The submission that an enter is at. */
struct submission {
	struct request request; /* as it was when it was consumed */
	uint32_t done;          /* bytes, for the operation; 0 when it is started */
	bool begun;             /* it was consumed, and is not done: OP_AGAIN, or the guest waits for memory */
	bool over;              /* it is, with `result`: but there is no memory yet to say so */
	int32_t result;
};

/* The ring_setup call. -EINVAL (sizes, alignment to 8), -EFAULT, -EBUSY (operations pending). */
int ring_setup(struct guest *g, gva_t ring, gva_t sqes, uint64_t sq_entries, gva_t cqes, uint64_t cq_entries);
/* Consumes at most `most` submissions, or goes on with those of the call that is under way. Returns how many, -EINVAL (an index that is
 * out of range or moved backwards), -EFAULT, -EBUSY (no room for a completion), -ENOMEM; or RING_AGAIN: the worker has something else
 * to do between two submissions, or the guest waits for memory; then it is to be called again before the guest runs on. */
#define RING_AGAIN INT32_MIN
int ring_submit(struct guest *g, uint64_t most);
/* Posts a completion. There is room: pending plus unread never exceed cq_entries. A ring that the guest unmapped
 * ends the guest. False: there is no memory for it, the guest waits for some (guest/want.h), and nothing was posted. */
bool ring_post(struct guest *g, uint64_t user_data, int32_t result);
/* A submission is done: traces that (it pended since `began`; 0: it did not) and posts its completion, unless the submission
 * succeeded and asks for none then (CASSIN_SQE_SKIP_SUCCESS). False: as ring_post(). */
bool ring_complete(struct guest *g, const struct request *request, int32_t result, uint64_t began);
/* Completions that the guest has not read, as of its last enter. */
static inline uint32_t ring_unread(const struct ring *r)
{
	return r->cq_tail - r->cq_head;
}

#endif
