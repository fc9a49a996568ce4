/* SPDX-License-Identifier: MIT */
#include "device/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "guest/guest.h"

#define WRITE_PIECE 4096u

/* Answers one read: bytes, 0 at the end of input, -EAGAIN when it must wait. */
static int32_t take_input(struct guest *g, const struct cassin_sqe *sqe)
{
	struct console *c = &g->console;
	struct iovec iov[2];
	int n = memory_span_for(&g->memory, gva(sqe->addr), sqe->len, CASSIN_WRITE, iov, 2);
	if (n < 0)
		return n;
	pthread_mutex_lock(&c->lock);
	int32_t done = 0;
	for (int i = 0; i < n; i++) {
		for (size_t at = 0; at < iov[i].iov_len && c->in_len; at++, done++) {
			((char *)iov[i].iov_base)[at] = c->in[c->in_start];
			c->in_start = (c->in_start + 1) % CONSOLE_INPUT;
			c->in_len--;
		}
	}
	if (!done && sqe->len && !c->in_end)
		done = -EAGAIN;
	pthread_mutex_unlock(&c->lock);
	return done;
}

static void read_cancel(struct op *op)
{
	op_dequeue(&op->guest->console.readers, op);
}

static int32_t op_read(struct guest *g, const struct cassin_sqe *sqe)
{
	int32_t r = g->console.readers.first ? -EAGAIN : take_input(g, sqe);
	if (r != -EAGAIN)
		return r;
	struct op *op = op_new(g, sqe, read_cancel);
	if (!op)
		return -ENOMEM;
	op_enqueue(&g->console.readers, op);
	return OP_PENDING;
}

static void serve_work(struct work *w)
{
	console_serve(CONTAINER_OF(w, struct guest, console.work));
}

void console_serve(struct guest *g)
{
	struct console *c = &g->console;
	c->work.fn = serve_work;
	if (c->readers.first && guest_wakes_first(g)) {
		work_later(g, &c->work);
		return;
	}
	while (c->readers.first) {
		struct op *op = c->readers.first;
		int32_t r = take_input(g, &op->sqe);
		if (r == -EAGAIN)
			return;
		if (guest_starved(g, r)) {
			work_later(g, &c->work);
			return;
		}
		op_dequeue(&c->readers, op);
		op_complete(op, r);
		if (c->readers.first && !work_goes_on(g)) {
			work_later(g, &c->work);
			return;
		}
	}
}

static bool console_end(struct guest *g, uint32_t *at)
{
	(void)at;
	work_drop(g, &g->console.work);
	return false;
}

static int32_t op_write(struct guest *g, const struct cassin_sqe *sqe)
{
	uint32_t *done = &g->submission.done;
	if (!*done && memory_check_for(&g->memory, gva(sqe->addr), sqe->len, CASSIN_READ))
		return -EFAULT;
	while (*done < sqe->len) {
		uint32_t left = sqe->len - *done;
		struct iovec iov;
		int n = memory_span_for(&g->memory, gva(sqe->addr + *done), left < WRITE_PIECE ? left : WRITE_PIECE,
					CASSIN_READ, &iov, 1);
		if (n < 0)
			return n;
		guest_print(g, iov.iov_base, iov.iov_len);
		*done += (uint32_t)iov.iov_len;
		if (*done < sqe->len && !work_goes_on(g))
			return OP_AGAIN;
	}
	return (int32_t)sqe->len;
}

static const struct device_operation operations[] = {
	{CASSIN_OP_CONSOLE_READ, op_read},
	{CASSIN_OP_CONSOLE_WRITE, op_write},
};

const struct device console_device = {
	.operations = operations,
	.noperations = sizeof operations / sizeof *operations,
	.end = console_end,
};
