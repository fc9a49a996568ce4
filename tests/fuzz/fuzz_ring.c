/* SPDX-License-Identifier: MIT */
/*
 * A hostile guest and its rings, without KVM. The input is a list of steps: writes into the guest's memory (rings
 * and data share it), submissions, enters, ring_setup calls, time, console input and unmapping.
 */
#include "fuzz.h"

#include "fake_guest.h"
#include "fuzz_input.h"
#include "device/console.h"

#define STEPS_MOST 200u

static void setup(struct fake_guest *f, struct input *in)
{
	gva_t ring = gva(take_address(in)), sqes = gva(take_address(in)), cqes = gva(take_address(in));
	uint64_t sq = UINT64_C(1) << take(in, 1) % 64, cq = UINT64_C(1) << take(in, 1) % 64;
	ring_setup(&f->guest, ring, sqes, sq, cqes, cq);
}

/* A submission with plausible fields, where the hypervisor looks next. */
static void queue(struct fake_guest *f, struct input *in)
{
	struct memory *m = &f->guest.memory;
	const struct ring *r = &f->guest.ring;
	gva_t tail_at = gva(r->ring.v + offsetof(struct cassin_ring, sq_tail));
	struct cassin_sqe sqe = {.op = (uint8_t)(take(in, 1) % (CASSIN_OP_CLOSE + 2))};
	uint32_t tail;
	sqe.flags = (uint8_t)(take(in, 1) % 3);
	sqe.handle = (int32_t)take(in, 1);
	sqe.addr = take_address(in);
	sqe.len = (uint32_t)take(in, 2);
	sqe.offset = take(in, 2);
	sqe.user_data = take(in, 1);
	if (!r->sq_entries || memory_copyin(m, &tail, tail_at, sizeof tail))
		return;
	memory_copyout(m, gva(r->sqes.v + (tail++ & (r->sq_entries - 1)) * sizeof sqe), &sqe, sizeof sqe);
	memory_copyout(m, tail_at, &tail, sizeof tail);
}

static void step(struct fake_guest *f, struct input *in)
{
	struct console *c = &f->guest.console;
	size_t n;
	switch (take(in, 1) % 8) {
	case 0:
		setup(f, in);
		break;
	case 1:
		poke(f, in);
		break;
	case 2:
	case 3:
		queue(f, in);
		break;
	case 4:
		ring_submit(&f->guest, take(in, 2));
		break;
	case 5:
		deadlines_run(&f->worker.deadlines, take(in, 8));
		break;
	case 6:
		n = (size_t)take(in, 1);
		console_feed(c, (const char *)in->at, n < in->left ? n : in->left);
		console_serve(&f->guest);
		break;
	default:
		f->limit = FAKE_BASE + take(in, 2);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct fake_guest *f = fake_guest_new();
	struct guest *g = &f->guest;
	g->run = RUN_BLOCKED;
	for (unsigned i = 0; in.left && i < STEPS_MOST && !g->doomed; i++) {
		step(f, &in);
		MUST(g->doomed || g->nops + ring_unread(&g->ring) <= g->ring.cq_entries);
	}
	fake_guest_free(f);
	return 0;
}
