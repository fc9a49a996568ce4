/* SPDX-License-Identifier: MIT */
/*
 * A hostile guest, its upcalls and its users, without KVM. The input is a list of steps: writes into its memory (frames, mask
 * and stack share it), the three calls, events, time, what ends a run, unmapping. Whatever it does, the registers that
 * a processor would get are such as may be given to one.
 */
#include "fuzz.h"

#include "fake_guest.h"
#include "fuzz_input.h"
#include "guest/registers.h"

#define STEPS_MOST 300u
#define SPACES_MADE 4u

static void set(struct guest *g, struct input *in)
{
	struct upcall_wanted wanted = {.entry = take_address(in), .stack = take_address(in), .stack_size = take(in, 2)};
	wanted.mask = gva(take_address(in) & ~UINT64_C(7));
	wanted.timer = take(in, 2);
	upcall_set(g, &wanted);
}

static void settle(struct guest *g, uint64_t now)
{
	upcall_look(g, now);
	uint64_t events = upcall_due(g);
	if (!g->doomed)
		user_end_if_due(g, now, events);
	MUST(g->doomed || !events || !g->user.space);
	if (!g->doomed && events)
		upcall_deliver(g, events);
}

/* What ends a run from within. */
static void leave(struct guest *g, struct input *in)
{
	const struct user_end end = {.vector = take(in, 1), .address = take(in, 8)};
	if (g->user.space)
		user_leave(g, (int64_t)take(in, 1) % 4, &end);
}

static void step(struct fake_guest *f, struct input *in)
{
	struct guest *g = &f->guest;
	uint64_t what = take(in, 1) % 9;
	if (what < 4 && g->user.space) /* the guest's own code does not run */
		return;
	switch (what) {
	case 0:
		set(g, in);
		break;
	case 1:
		upcall_return(g, gva(take_address(in)), take(in, 2));
		break;
	case 2:
		user_enter(g, take(in, 1), gva(take_address(in)), take(in, 2));
		break;
	case 3:
		upcall_before_wait(g, take(in, 1));
		break;
	case 4:
		upcall_raise(g, take(in, 1) & CASSIN_EVENT_ALL);
		break;
	case 5:
		settle(g, take(in, 2));
		break;
	case 6:
		leave(g, in);
		break;
	case 7:
		poke(f, in);
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
	frame_t roots[SPACES_MAX - 1] = {0};
	for (unsigned s = 1; s < SPACES_MADE; s++)
		roots[s - 1] = 1 + s;
	g->memory.tables.root = 1;
	g->memory.tables.more = roots;
	for (unsigned i = 0; in.left && i < STEPS_MOST && !g->doomed; i++) {
		step(f, &in);
		MUST(g->cpu.regs.rip < CASSIN_VA_END && g->cpu.regs.rsp <= CASSIN_VA_END &&
		     g->cpu.fs_base < CASSIN_VA_END);
		MUST(!(g->cpu.regs.rflags & ~(RFLAGS_KEPT | 2)));
		MUST(g->user.space < SPACES_MADE);
		MUST(f->info.pending == g->upcalls.pending && !(g->upcalls.pending & ~(uint64_t)CASSIN_EVENT_ALL));
	}
	fake_guest_free(f);
	return 0;
}
