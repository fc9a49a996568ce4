/* SPDX-License-Identifier: MIT */
#include "guest/op.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "guest/guest.h"
#include "guest/trace.h"
#include "base/time.h"

#define RANDOM_CHUNK 4096u

struct op *op_new(struct guest *g, const struct cassin_sqe *sqe, void (*cancel)(struct op *op))
{
	struct op *op = calloc(1, sizeof *op);
	if (!op)
		return NULL;
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
	return op;
}

void op_drop(struct op *op)
{
	*op->link = op->next;
	if (op->next)
		op->next->link = op->link;
	op->guest->nops--;
	deadlines_clear(&guest_worker(op->guest)->deadlines, &op->deadline);
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
}

struct op *op_find(struct guest *g, uint64_t user_data)
{
	struct op *found = NULL;
	for (struct op *op = g->ops; op; op = op->next) {
		if (op->sqe.user_data == user_data)
			found = op;
	}
	return found;
}

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
	op_complete((struct op *)((char *)d - offsetof(struct op, deadline)), 0);
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

static int32_t op_random(struct guest *g, const struct cassin_sqe *sqe)
{
	if (memory_check(&g->memory, gva(sqe->addr), sqe->len, true))
		return -EFAULT;
	for (uint32_t done = 0; done < sqe->len;) {
		unsigned char bytes[RANDOM_CHUNK];
		uint32_t n = sqe->len - done < sizeof bytes ? sqe->len - done : (uint32_t)sizeof bytes;
		if (getrandom(bytes, n, 0) != (ssize_t)n)
			return -EIO;
		int r = memory_copyout(&g->memory, gva(sqe->addr + done), bytes, n);
		if (r)
			return r;
		done += n;
	}
	return (int32_t)sqe->len;
}

static const op_start_fn starts[] = {
	[CASSIN_OP_NOP] = op_nop,
	[CASSIN_OP_TIMEOUT] = op_timeout,
	[CASSIN_OP_CANCEL] = op_cancel,
	[CASSIN_OP_CONSOLE_READ] = console_op_read,
	[CASSIN_OP_CONSOLE_WRITE] = console_op_write,
	[CASSIN_OP_RANDOM] = op_random,
	[CASSIN_OP_LISTEN] = stream_listen,
	[CASSIN_OP_ACCEPT] = stream_accept,
	[CASSIN_OP_CONNECT] = stream_connect,
	[CASSIN_OP_RECV] = stream_recv,
	[CASSIN_OP_SEND] = stream_send,
	[CASSIN_OP_SHUTDOWN] = stream_shutdown,
	[CASSIN_OP_CLOSE] = stream_close,
};

int32_t op_start(struct guest *g, const struct cassin_sqe *sqe)
{
	if (sqe->op >= sizeof starts / sizeof *starts || sqe->flags & ~CASSIN_SQE_SKIP_SUCCESS || sqe->rsv0 ||
	    sqe->op_flags || sqe->rsv1[0] || sqe->rsv1[1] || sqe->rsv1[2] || sqe->len > CASSIN_IO_MAX)
		return -EINVAL;
	return starts[sqe->op](g, sqe);
}
