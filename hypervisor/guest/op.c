/* SPDX-License-Identifier: MIT */
#include "guest/op.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "base/time.h"
#include "guest/device.h"
#include "guest/guest.h"
#include "guest/trace_records.h"

#define OP_MEMORY ((sizeof(struct op) + 8 + 15) / 16 * 16) /* of the host: as the C library has it */

static void uncharge(struct guest *g, size_t bytes)
{
	account_uncharge(&g->account, ACCOUNT_OPERATIONS, bytes);
}

/* Takes it out of the guest's index, which may have become smaller by that. */
static void unlist(struct op *op)
{
	struct index *x = &op->guest->ops_by_user_data;
	size_t before = index_bytes(x);
	index_remove(x, &op->by_user_data);
	uncharge(op->guest, before - index_bytes(x));
}

struct op *op_new(struct guest *g, const struct request *request, void (*cancel)(struct op *op))
{
	struct index *x = &g->ops_by_user_data;
	size_t table = index_bytes(x), bytes = OP_MEMORY + index_growth(x);
	if (memory_refused(&g->memory, account_charge(&g->account, ACCOUNT_OPERATIONS, bytes)))
		return NULL;
	struct op *op = calloc(1, sizeof *op);
	if (!op) {
		uncharge(g, bytes);
		return NULL;
	}
	op->guest = g;
	op->request = *request;
	op->cancel = cancel;
	op->began = g->trace ? monotonic_ns() : 0;
	op->link = &g->ops;
	op->next = g->ops;
	if (op->next)
		op->next->link = &op->next;
	g->ops = op;
	g->nops++;
	index_add(x, &op->by_user_data, request->user_data);
	uncharge(g, bytes - OP_MEMORY - (index_bytes(x) - table));
	return op;
}

void op_drop(struct op *op)
{
	*op->link = op->next;
	if (op->next)
		op->next->link = op->link;
	op->guest->nops--;
	if (!op->held)
		unlist(op);
	deadlines_clear(&guest_worker(op->guest)->deadlines, &op->deadline);
	uncharge(op->guest, OP_MEMORY);
	free(op->buffer);
	free(op);
}

void op_deadline(struct op *op, uint64_t when)
{
	op->timed = true;
	worker_deadline(guest_worker(op->guest), &op->deadline, when);
}

/* False: the guest waits for memory, and nothing has happened. */
static bool complete(struct op *op, int32_t result)
{
	if (!ring_complete(op->guest, &op->request, result, op->began))
		return false;
	op_drop(op);
	return true;
}

static void held_cancel(struct op *op)
{
	op_dequeue(&op->guest->held_ops, op);
}

/* The guest cannot find it to cancel it: it is over, and may have had its effect. */
static void hold(struct op *op, int32_t result)
{
	struct guest *g = op->guest;
	op->held = true;
	op->result = result;
	op->cancel = held_cancel;
	op->timed = false;
	unlist(op);
	deadlines_clear(&guest_worker(g)->deadlines, &op->deadline);
	if (!g->held_ops.first)
		op_queue_init(&g->held_ops);
	op_enqueue(&g->held_ops, op);
}

void op_complete(struct op *op, int32_t result)
{
	struct guest *g = op->guest;
	bool passes = g->run == RUN_PASSAGE;
	if (!passes && !guest_wakes_first(g) && complete(op, result))
		return;
	hold(op, result);
	if (!passes)
		guest_wakes_first(g);
}

int op_post_held(struct guest *g)
{
	struct op *op = g->held_ops.first;
	if (!op)
		return 0;
	if (!ring_complete(g, &op->request, op->result, op->began))
		return -EAGAIN;
	op_dequeue(&g->held_ops, op);
	op_drop(op);
	return 1;
}

bool op_drop_some(struct guest *g, unsigned most)
{
	for (; g->ops && most; most--) {
		struct op *op = g->ops;
		op->cancel(op);
		op_drop(op);
	}
	if (!g->ops) {
		uncharge(g, index_bytes(&g->ops_by_user_data));
		index_clear(&g->ops_by_user_data);
	}
	return g->ops;
}

struct op *op_find(struct guest *g, uint64_t user_data)
{
	struct indexed *found = index_find(&g->ops_by_user_data, user_data);
	return found ? CONTAINER_OF(found, struct op, by_user_data) : NULL;
}

int32_t op_start(struct guest *g, const struct request *request)
{
	if (request->wrong || request->flags & ~CASSIN_SQE_SKIP_SUCCESS || request->len > CASSIN_IO_MAX)
		return -EINVAL;
	return device_start(g, request);
}
