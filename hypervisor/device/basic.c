/* SPDX-License-Identifier: MIT */
#include "device/basic.h"

#include <errno.h>
#include <sys/random.h>

#include "base/container.h"
#include "base/time.h"
#include "guest/guest.h"

#define RANDOM_CHUNK 4096u
#define RANDOM_PIECE 65536u /* at once: 0.2 ms or less where getrandom(2) runs natively */

static int32_t op_nop(struct guest *g, const struct cassin_sqe *sqe)
{
	(void)g;
	(void)sqe;
	return 0;
}

static void timeout_cancel(struct op *op)
{
	(void)op; /* op_drop() takes the deadline out */
}

static void timeout_fire(struct deadline *d)
{
	struct op *op = CONTAINER_OF(d, struct op, deadline);
	struct guest *g = op->guest;
	uint64_t began = guest_work_begin(g);
	op_complete(op, 0);
	guest_worked(g, began);
}

static int32_t op_timeout(struct guest *g, const struct cassin_sqe *sqe)
{
	if (sqe->offset <= monotonic_ns())
		return 0;
	struct op *op = op_new(g, sqe, timeout_cancel);
	if (!op)
		return -ENOMEM;
	op->deadline.fire = timeout_fire;
	if (sqe->offset != CASSIN_FOREVER && op_deadline(op, sqe->offset)) {
		op_drop(op);
		return -ENOMEM;
	}
	return OP_PENDING;
}

static int32_t op_cancel(struct guest *g, const struct cassin_sqe *sqe)
{
	struct op *op = op_find(g, sqe->offset);
	if (!op)
		return -ENOENT;
	op->cancel(op);
	op_complete(op, -ECANCELED);
	return 0;
}

/* Fills the next piece of what was asked for. 0, or -errno. */
static int random_piece(struct guest *g, const struct cassin_sqe *sqe, uint32_t *done)
{
	uint32_t end = sqe->len - *done < RANDOM_PIECE ? sqe->len : *done + RANDOM_PIECE;
	while (*done < end) {
		unsigned char bytes[RANDOM_CHUNK];
		uint32_t n = end - *done < sizeof bytes ? end - *done : (uint32_t)sizeof bytes;
		if (getrandom(bytes, n, 0) != (ssize_t)n)
			return -EIO;
		int r = memory_copyout(&g->memory, gva(sqe->addr + *done), bytes, n);
		if (r)
			return r;
		*done += n;
	}
	return 0;
}

static void random_fire(struct deadline *d)
{
	struct op *op = CONTAINER_OF(d, struct op, deadline);
	struct guest *g = op->guest;
	uint64_t wait = guest_work_wait(g), began = guest_work_begin(g);
	int r = wait ? 0 : random_piece(g, &op->sqe, &op->done);
	if (!r && op->done < op->sqe.len)
		r = op_deadline(op, wait) ? -ENOMEM : OP_PENDING;
	if (r != OP_PENDING)
		op_complete(op, r ? r : (int32_t)op->sqe.len);
	guest_worked(g, began);
}

/* What is more than a piece goes on from the worker's loop, a piece at a time, so that others get in between. */
static int32_t op_random(struct guest *g, const struct cassin_sqe *sqe)
{
	uint32_t done = 0;
	if (memory_check(&g->memory, gva(sqe->addr), sqe->len, true))
		return -EFAULT;
	int r = random_piece(g, sqe, &done);
	if (r || done == sqe->len)
		return r ? r : (int32_t)sqe->len;
	struct op *op = op_new(g, sqe, timeout_cancel);
	if (!op)
		return -ENOMEM;
	op->done = done;
	op->deadline.fire = random_fire;
	if (op_deadline(op, 0)) {
		op_drop(op);
		return -ENOMEM;
	}
	return OP_PENDING;
}

static const struct device_operation operations[] = {
	{CASSIN_OP_NOP, op_nop},
	{CASSIN_OP_TIMEOUT, op_timeout},
	{CASSIN_OP_CANCEL, op_cancel},
	{CASSIN_OP_RANDOM, op_random},
};

const struct device basic_device = {
	.operations = operations,
	.noperations = sizeof operations / sizeof *operations,
};
