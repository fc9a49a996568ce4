/* SPDX-License-Identifier: MIT */
/*
 * Operations of many threads on one pair of rings. user_data is the address of the operation that waits; odd: a handle, of
 * a send that nobody waits for; 0: nobody cares.
 *
 * Operations that may pend for as long as others like (receives, say) hold room for completions. A quarter of the room is
 * kept for those that do not, or nobody could answer once everybody listens.
 */
#include "kernel_private.h"

#define RING_SQ 64u
#define RING_CQ 1024u
#define RETRY_NS 1000000u /* while the hypervisor takes no submission */

static uint32_t long_running; /* operations that may pend */

static bool may_pend(uint8_t op)
{
	switch (op) {
	case CASSIN_OP_ACCEPT:
	case CASSIN_OP_CONNECT:
	case CASSIN_OP_CONSOLE_READ:
	case CASSIN_OP_RECV:
	case CASSIN_OP_TIMEOUT:
		return true;
	default:
		return false;
	}
}

/* The submissions that name the parcels have been consumed. */
static void free_parcels(void)
{
	struct parcel *p;
	while ((p = kernel.parcels)) {
		kernel.parcels = p->next;
		cassin_free(p);
	}
}

static bool take_completions(void)
{
	struct cassin_cqe cqe;
	bool any = false;
	while (cassin_next(&cqe)) {
		struct operation *op = (struct operation *)cqe.user_data;
		any = true;
		if (cqe.user_data & 1)
			kernel_send_failed((int32_t)(cqe.user_data >> 1), cqe.result);
		if (!op || cqe.user_data & 1)
			continue;
		op->result = cqe.result;
		op->done = true;
		kernel.operations--;
		if (op->finished)
			op->finished(op);
		else if (op->thread->state == THREAD_BLOCKED)
			kernel_wake(op->thread, 0);
	}
	return any;
}

/* The rings are made at the first need, and may be small if there is no memory. */
static void enter(uint32_t least, uint64_t deadline)
{
	struct control words = control_save();
	int r = cassin_ring_ensure(RING_SQ, RING_CQ);
	if (!r)
		r = cassin_wait(least, deadline);
	control_load(words);
	if (r)
		cassin_panic("the rings do not work: error %d", -r);
	if (!cassin_ring_left()) {
		kernel.unsent = false;
		free_parcels();
	}
}

void kernel_hand_in(void)
{
	if (cassin_ring_left())
		enter(0, CASSIN_NOW);
	take_completions();
}

bool kernel_wait(uint64_t deadline)
{
	enter(1, deadline);
	return take_completions();
}

static struct cassin_sqe *free_submission(void)
{
	struct control words = control_save();
	struct cassin_sqe *sqe = cassin_ring_ensure(RING_SQ, RING_CQ) ? NULL : cassin_sqe(0, 0);
	control_load(words);
	return sqe;
}

bool kernel_submit(const struct cassin_sqe *sqe, struct operation *op)
{
	struct cassin_sqe *to = free_submission();
	if (!to)
		return false;
	*to = *sqe;
	to->user_data = (uint64_t)op;
	kernel.operations++;
	return true;
}

bool kernel_submit_silent(const struct cassin_sqe *sqe, struct parcel *parcel)
{
	struct cassin_sqe *to = free_submission();
	if (!to)
		return false;
	*to = *sqe;
	to->user_data = sqe->op == CASSIN_OP_SEND ? (uint64_t)(uint32_t)sqe->handle << 1 | 1 : 0;
	kernel.unsent = true;
	if (parcel) {
		parcel->next = kernel.parcels;
		kernel.parcels = parcel;
	}
	return true;
}

/* Lets others run until the hypervisor may take a submission again. */
static void make_room(void)
{
	kernel_hand_in();
	kernel_block(NULL, cassin_after(RETRY_NS), "room in the rings");
}

/* Takes a place among the operations that may pend. */
static int begin_long(void)
{
	if (cassin_ring_ensure(RING_SQ, RING_CQ))
		return -CASSIN_ENOMEM;
	if (long_running >= cassin_ring_completions() / 4 * 3)
		return -CASSIN_EAGAIN;
	long_running++;
	return 0;
}

static const char *name_of(uint8_t op)
{
	static const char *const names[] = {
		[CASSIN_OP_CONSOLE_READ] = "console input",
		[CASSIN_OP_ACCEPT] = "a connection to accept",
		[CASSIN_OP_CONNECT] = "connect",
		[CASSIN_OP_RECV] = "bytes to receive",
		[CASSIN_OP_SEND] = "bytes to be sent",
	};
	const char *name = op < sizeof names / sizeof *names ? names[op] : NULL;
	return name ? name : "an operation";
}

/* Ends an operation, whose thread then finds it completed, with -CASSIN_ECANCELED or by itself. */
static void cancel(const struct operation *op)
{
	struct cassin_sqe sqe = {.op = CASSIN_OP_CANCEL, .offset = (uint64_t)op};
	while (!op->done && !kernel_submit_silent(&sqe, NULL))
		make_room();
}

static int32_t do_here(const struct cassin_sqe *sqe, uint64_t deadline)
{
	struct operation op = {.thread = kernel.current};
	bool late = false;
	while (!kernel_submit(sqe, &op))
		make_room();
	while (!op.done) {
		if (kernel_block(NULL, late ? CASSIN_FOREVER : deadline, name_of(sqe->op)) && !op.done) {
			late = true;
			cancel(&op);
		}
	}
	return late && op.result == -CASSIN_ECANCELED ? -CASSIN_ETIMEDOUT : op.result;
}

int32_t cassin_do_until(const struct cassin_sqe *sqe, uint64_t deadline)
{
	bool may = may_pend(sqe->op);
	kernel_lock();
	int32_t r = may ? begin_long() : 0;
	if (!r) {
		r = do_here(sqe, deadline);
		long_running -= may;
	}
	kernel_unlock();
	return r;
}

/* guest-lib's cassin_do() comes here when the kernel is linked. */
int32_t cassin_do_threaded(const struct cassin_sqe *sqe)
{
	if (sqe->op != CASSIN_OP_TIMEOUT)
		return cassin_do_until(sqe, CASSIN_FOREVER);
	kernel_lock();
	kernel.current->woken = 0;
	kernel_block(NULL, sqe->offset, "a moment");
	if (!kernel.current->woken) /* that is over: it has not waited, but the others have their turns all the same */
		cassin_thread_yield();
	kernel_unlock();
	return 0;
}

uint64_t cassin_after(uint64_t ns)
{
	uint64_t now = cassin_now(), last = CASSIN_FOREVER - 1;
	if (ns == CASSIN_FOREVER)
		return ns;
	return ns < last - now ? now + ns : last;
}

void cassin_sleep(uint64_t ns)
{
	cassin_sleep_until(cassin_after(ns));
}
