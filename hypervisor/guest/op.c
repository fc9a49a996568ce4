/* SPDX-License-Identifier: MIT */
#include "guest/op.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/time.h"
#include "guest/device.h"
#include "guest/guest.h"
#include "guest/trace.h"

#define BITS_FIRST 3u
#define OP_MEMORY (sizeof(struct op) + 64) /* of the host: its places in tables of numbers and of deadlines, too */

static size_t bucket_of(const struct op_table *t, uint64_t user_data)
{
	return hash_keyed(user_data, t->bits);
}

static void file(struct op_table *t, struct op *op)
{
	struct op_queue_same *b = &t->buckets[bucket_of(t, op->sqe.user_data)];
	op->same = NULL;
	op->same_link = b->last;
	*b->last = op;
	b->last = &op->same;
}

static void unfile(struct op_table *t, struct op *op)
{
	*op->same_link = op->same;
	if (op->same)
		op->same->same_link = op->same_link;
	else
		t->buckets[bucket_of(t, op->sqe.user_data)].last = op->same_link;
}

/* Room for one more operation: a bucket for each. */
static bool table_room(struct guest *g)
{
	struct op_table *t = &g->op_table;
	uint32_t n = t->buckets ? UINT32_C(1) << t->bits : 0;
	if (g->nops < n)
		return true;
	struct op_table bigger = {.bits = n ? t->bits + 2 : BITS_FIRST};
	bigger.buckets = malloc(sizeof *bigger.buckets << bigger.bits);
	if (!bigger.buckets)
		return n; /* longer chains, then */
	for (uint32_t i = 0; i < UINT32_C(1) << bigger.bits; i++)
		bigger.buckets[i] = (struct op_queue_same){NULL, &bigger.buckets[i].first};
	for (uint32_t i = 0; i < n; i++) {
		for (struct op *op = t->buckets[i].first, *next; op; op = next) {
			next = op->same;
			file(&bigger, op);
		}
	}
	free(t->buckets);
	*t = bigger;
	return true;
}

struct op *op_new(struct guest *g, const struct cassin_sqe *sqe, void (*cancel)(struct op *op))
{
	if (account_charge(&g->account, ACCOUNT_OPERATIONS, OP_MEMORY))
		return NULL;
	struct op *op = table_room(g) ? calloc(1, sizeof *op) : NULL;
	if (!op) {
		account_uncharge(&g->account, ACCOUNT_OPERATIONS, OP_MEMORY);
		return NULL;
	}
	op->guest = g;
	op->sqe = *sqe;
	op->cancel = cancel;
	op->began = g->trace ? monotonic_ns() : 0;
	op->link = &g->ops;
	op->next = g->ops;
	if (op->next)
		op->next->link = &op->next;
	g->ops = op;
	g->nops++;
	file(&g->op_table, op);
	return op;
}

void op_drop(struct op *op)
{
	*op->link = op->next;
	if (op->next)
		op->next->link = op->link;
	op->guest->nops--;
	unfile(&op->guest->op_table, op);
	deadlines_clear(&guest_worker(op->guest)->deadlines, &op->deadline);
	account_uncharge(&op->guest->account, ACCOUNT_OPERATIONS, OP_MEMORY);
	free(op->buffer);
	free(op);
}

int op_deadline(struct op *op, uint64_t when)
{
	op->timed = true;
	return worker_deadline(guest_worker(op->guest), &op->deadline, when);
}

void op_complete(struct op *op, int32_t result)
{
	struct guest *g = op->guest;
	uint64_t user_data = op->sqe.user_data;
	bool skip = result >= 0 && op->sqe.flags & CASSIN_SQE_SKIP_SUCCESS;
	if (g->trace)
		trace_complete(g, &op->sqe, result, op->began);
	op_drop(op);
	if (!skip)
		ring_post(g, user_data, result);
}

void op_drop_all(struct guest *g)
{
	while (g->ops) {
		struct op *op = g->ops;
		op->cancel(op);
		op_drop(op);
	}
	free(g->op_table.buckets);
	g->op_table = (struct op_table){0};
}

struct op *op_find(struct guest *g, uint64_t user_data)
{
	const struct op_table *t = &g->op_table;
	struct op *op = t->buckets ? t->buckets[bucket_of(t, user_data)].first : NULL;
	while (op && op->sqe.user_data != user_data)
		op = op->same;
	return op;
}

int32_t op_start(struct guest *g, const struct cassin_sqe *sqe)
{
	if (sqe->flags & ~CASSIN_SQE_SKIP_SUCCESS || sqe->rsv0 || sqe->op_flags || sqe->rsv1[0] || sqe->rsv1[1] ||
	    sqe->rsv1[2] || sqe->len > CASSIN_IO_MAX)
		return -EINVAL;
	return device_start(g, sqe);
}
