/* SPDX-License-Identifier: MIT */
#include "device/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "guest/guest.h"

#define WRITE_PIECE 4096u

/* Answers one read: bytes, 0 at the end of input, -EAGAIN when it must wait, -ENOMEM. */
static int32_t take_input(struct guest *g, const struct request *request)
{
	struct console *c = &g->console;
	struct iovec iov[2];
	int n = memory_span_for(&g->memory, gva(request->addr), request->len, CASSIN_WRITE, iov, 2);
	if (n < 0)
		return n;
	pthread_mutex_lock(&c->lock);
	struct console_input *in = console_input(c);
	int32_t done = 0;
	for (int i = 0; in && i < n; i++) {
		for (size_t at = 0; at < iov[i].iov_len && in->len; at++, done++) {
			((char *)iov[i].iov_base)[at] = in->bytes[in->start];
			in->start = (in->start + 1) % CONSOLE_INPUT;
			in->len--;
		}
	}
	if (!in)
		done = -ENOMEM;
	else if (!done && request->len && !c->in_end)
		done = -EAGAIN;
	pthread_mutex_unlock(&c->lock);
	return done;
}

static struct op_queue *readers_of(struct guest *g)
{
	return &atomic_load(&g->console.input)->readers;
}

static void read_cancel(struct op *op)
{
	op_dequeue(readers_of(op->guest), op);
}

static void serve_work(struct work *w)
{
	console_serve(CONTAINER_OF(w, struct console_input, work)->guest);
}

static int32_t op_read(struct guest *g, const struct request *request)
{
	struct console_input *in = atomic_load(&g->console.input);
	int32_t r = in && in->readers.first ? -EAGAIN : take_input(g, request);
	if (r != -EAGAIN)
		return r;
	struct op *op = op_new(g, request, read_cancel);
	if (!op)
		return -ENOMEM;
	in = atomic_load(&g->console.input);
	in->guest = g;
	in->work.fn = serve_work;
	op_enqueue(&in->readers, op);
	return OP_PENDING;
}

void console_serve(struct guest *g)
{
	struct console_input *in = atomic_load(&g->console.input);
	if (!in)
		return;
	if (in->readers.first && guest_wakes_first(g)) {
		work_later(g, &in->work);
		return;
	}
	while (in->readers.first) {
		struct op *op = in->readers.first;
		int32_t r = take_input(g, &op->request);
		if (r == -EAGAIN)
			return;
		if (guest_starved(g, r)) {
			work_later(g, &in->work);
			return;
		}
		op_dequeue(&in->readers, op);
		op_complete(op, r);
		if (in->readers.first && !work_goes_on(g)) {
			work_later(g, &in->work);
			return;
		}
	}
}

static bool console_end(struct guest *g, uint32_t *at)
{
	struct console_input *in = atomic_load(&g->console.input);
	(void)at;
	if (in)
		work_drop(g, &in->work);
	return false;
}

static int32_t op_write(struct guest *g, const struct request *request)
{
	uint32_t *done = &g->submission.done;
	if (!*done && memory_check_for(&g->memory, gva(request->addr), request->len, CASSIN_READ))
		return -EFAULT;
	while (*done < request->len) {
		uint32_t left = request->len - *done;
		struct iovec iov;
		int n = memory_span_for(&g->memory, gva(request->addr + *done), left < WRITE_PIECE ? left : WRITE_PIECE,
					CASSIN_READ, &iov, 1);
		if (n < 0)
			return n;
		guest_print(g, iov.iov_base, iov.iov_len);
		*done += (uint32_t)iov.iov_len;
		if (*done < request->len && !work_goes_on(g))
			return OP_AGAIN;
	}
	return (int32_t)request->len;
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
