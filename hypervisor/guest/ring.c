/* SPDX-License-Identifier: MIT */
#include "guest/ring.h"

#include <errno.h>

#include "guest/guest.h"
#include "guest/trace_records.h"

static bool size_valid(uint64_t n, uint32_t most)
{
	return n && n <= most && !(n & (n - 1));
}

int ring_setup(struct guest *g, gva_t ring, gva_t sqes, uint64_t sq_entries, gva_t cqes, uint64_t cq_entries)
{
	if (!size_valid(sq_entries, CASSIN_SQ_MAX) || !size_valid(cq_entries, CASSIN_CQ_MAX) ||
	    (ring.v | sqes.v | cqes.v) % 8)
		return -EINVAL;
	if (g->nops)
		return -EBUSY;
	static const struct cassin_ring zero;
	if (memory_check_for(&g->memory, sqes, sq_entries * sizeof(struct cassin_sqe), CASSIN_READ) ||
	    memory_check_for(&g->memory, cqes, cq_entries * sizeof(struct cassin_cqe), CASSIN_WRITE))
		return -EFAULT;
	int r = memory_copyout(&g->memory, ring, &zero, sizeof zero);
	if (r)
		return r;
	g->ring = (struct ring){
		.ring = ring,
		.sqes = sqes,
		.cqes = cqes,
		.sq_entries = (uint32_t)sq_entries,
		.cq_entries = (uint32_t)cq_entries,
	};
	return 0;
}

/* Reads the guest's two indices, once, and checks them against ours. */
static int read_indices(struct guest *g, uint32_t *ready)
{
	struct ring *r = &g->ring;
	struct cassin_ring shared;
	int err = memory_copyin(&g->memory, &shared, r->ring, sizeof shared);
	if (err)
		return err;
	*ready = shared.sq_tail - r->sq_head;
	if (*ready > r->sq_entries || shared.cq_head - r->cq_head > ring_unread(r))
		return -EINVAL;
	r->cq_head = shared.cq_head;
	if (!ring_unread(r))
		upcall_lower(g, CASSIN_EVENT_COMPLETION);
	return 0;
}

static int write_index(struct guest *g, size_t offset, uint32_t value)
{
	return memory_copyout(&g->memory, gva(g->ring.ring.v + offset), &value, sizeof value);
}

/* What it leaves undone for want of memory is to be started again. */
static int32_t start(struct guest *g, struct submission *s)
{
	if (s->over)
		return s->result;
	g->memory.starved = false;
	int32_t result = op_start(g, &s->request);
	return guest_starved(g, result) ? OP_AGAIN : result;
}

/* Starts one submission, or goes on with it; posts its completion when it is done at once. RING_AGAIN: it is to go on. */
static int submit_one(struct guest *g)
{
	struct ring *r = &g->ring;
	struct submission *s = &g->submission;
	if (!s->begun) {
		struct cassin_sqe sqe;
		uint64_t at = r->sqes.v + (r->sq_head & (r->sq_entries - 1)) * sizeof sqe;
		int err = memory_copyin(&g->memory, &sqe, gva(at), sizeof sqe);
		if (err)
			return guest_starved(g, err) ? RING_AGAIN : err;
		r->sq_head++;
		s->request = request_of(&sqe);
		s->done = 0;
		if (g->trace)
			trace_submit(g, &s->request);
	}
	int32_t result = start(g, s);
	s->over = result != OP_PENDING && result != OP_AGAIN && !ring_complete(g, &s->request, result, 0);
	s->result = result;
	s->begun = result == OP_AGAIN || s->over;
	if (s->begun)
		return RING_AGAIN;
	s->done = 0;
	return 0;
}

/* Consumes what is left of the present call's submissions. Each may take a while, so after each the thread may have something
 * else to do first; at least one is consumed. */
static int consume(struct guest *g)
{
	struct ring *r = &g->ring;
	uint32_t before = r->done;
	int err = 0;
	while (r->left && g->nops + ring_unread(r) < r->cq_entries) {
		if (r->done != before && kick_due(&guest_worker(g)->kick))
			return RING_AGAIN;
		err = submit_one(g);
		if (err == RING_AGAIN)
			return err;
		if (err)
			break;
		r->done++;
		r->left--;
	}
	bool wanted = r->left;
	uint32_t n = r->done;
	if (n) {
		err = write_index(g, offsetof(struct cassin_ring, sq_head), r->sq_head);
		if (guest_starved(g, err))
			return RING_AGAIN;
		atomic_fetch_add_explicit(&g->count.operations, n, memory_order_relaxed);
	}
	r->left = r->done = 0;
	if (err)
		return err;
	return !n && wanted ? -EBUSY : (int)n;
}

int ring_submit(struct guest *g, uint64_t most)
{
	struct ring *r = &g->ring;
	uint32_t ready;
	if (!r->cq_entries)
		return most ? -EINVAL : 0;
	if (!r->under_way) {
		int err = read_indices(g, &ready);
		if (err)
			return err;
		r->left = most < ready ? (uint32_t)most : ready;
		r->done = 0;
	}
	int n = consume(g);
	r->under_way = n == RING_AGAIN;
	return n;
}

bool ring_complete(struct guest *g, const struct request *request, int32_t result, uint64_t began)
{
	if ((result < 0 || !(request->flags & CASSIN_SQE_SKIP_SUCCESS)) && !ring_post(g, request->user_data, result))
		return false;
	if (g->trace)
		trace_complete(g, request, result, began);
	return true;
}

bool ring_post(struct guest *g, uint64_t user_data, int32_t result)
{
	struct ring *r = &g->ring;
	struct cassin_cqe cqe = {.user_data = user_data, .result = result};
	uint64_t at = r->cqes.v + (r->cq_tail & (r->cq_entries - 1)) * sizeof cqe;
	int err = memory_copyout(&g->memory, gva(at), &cqe, sizeof cqe);
	if (!err)
		err = write_index(g, offsetof(struct cassin_ring, cq_tail), r->cq_tail + 1);
	if (guest_starved(g, err))
		return false;
	r->cq_tail++;
	if (err) {
		g->doomed = err == -ENOMEM ? "pool exhausted: no memory for a completion" : "completion ring unmapped";
		guest_wake(g);
		return true;
	}
	upcall_raise(g, CASSIN_EVENT_COMPLETION);
	if (g->run == RUN_BLOCKED && ring_unread(r) >= g->wait_count)
		guest_wake(g);
	return true;
}
