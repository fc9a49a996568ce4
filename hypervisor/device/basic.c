/* SPDX-License-Identifier: MIT */
#include "device/basic.h"

#include <errno.h>
#include <sys/random.h>

#include "base/container.h"
#include "base/time.h"
#include "guest/guest.h"

#define RANDOM_CHUNK 4096u

static int32_t op_nop(struct guest *g, const struct request *request)
{
	(void)g;
	(void)request;
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

static int32_t op_timeout(struct guest *g, const struct request *request)
{
	if (request->offset <= monotonic_ns())
		return 0;
	struct op *op = op_new(g, request, timeout_cancel);
	if (!op)
		return -ENOMEM;
	op->deadline.fire = timeout_fire;
	if (request->offset != CASSIN_FOREVER)
		op_deadline(op, request->offset);
	return OP_PENDING;
}

static int32_t op_cancel(struct guest *g, const struct request *request)
{
	struct op *op = op_find(g, request->offset);
	if (!op)
		return -ENOENT;
	op->cancel(op);
	op_complete(op, -ECANCELED);
	return 0;
}

/* A chunk at a time, with a look at what else the worker has to do in between. */
static int32_t op_random(struct guest *g, const struct request *request)
{
	uint32_t *done = &g->submission.done;
	if (!*done && memory_check_for(&g->memory, gva(request->addr), request->len, CASSIN_WRITE))
		return -EFAULT;
	while (*done < request->len) {
		unsigned char bytes[RANDOM_CHUNK];
		uint32_t n = request->len - *done < sizeof bytes ? request->len - *done : (uint32_t)sizeof bytes;
		if (getrandom(bytes, n, 0) != (ssize_t)n)
			return -EIO;
		int r = memory_copyout(&g->memory, gva(request->addr + *done), bytes, n);
		if (r)
			return r;
		*done += n;
		if (*done < request->len && !work_goes_on(g))
			return OP_AGAIN;
	}
	return (int32_t)request->len;
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
