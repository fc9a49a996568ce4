/* SPDX-License-Identifier: MIT */
#include "guest/upcall.h"

#include <errno.h>

#include "base/container.h"
#include "guest/guest.h"
#include "guest/registers.h"
#include "guest/trace_records.h"

#define FRAME_ALIGN 16u
#define NO_MEMORY "pool exhausted: no memory for an upcall"
#define HANDLER_FLAGS UINT64_C(2) /* all of the guest's bits are 0 */

/* ---- Events ---- */

void upcall_show(struct guest *g)
{
	struct cassin_info_page *info = memory_info(&g->memory);
	if (info)
		info->pending = g->upcalls.pending;
}

void upcall_raise(struct guest *g, uint64_t events)
{
	if ((g->upcalls.pending & events) == events)
		return;
	g->upcalls.pending |= events;
	upcall_show(g);
	if (g->run == RUN_BLOCKED && upcall_ends_wait(g))
		guest_wake(g);
}

void upcall_lower(struct guest *g, uint64_t events)
{
	if (!(g->upcalls.pending & events))
		return;
	g->upcalls.pending &= ~events;
	upcall_show(g);
}

bool upcall_ends_wait(const struct guest *g)
{
	return g->upcalls.pending & g->upcalls.wait_for;
}

/* Reads the guest's word; dooms it when that cannot be. */
static int mask_read(struct guest *g, uint64_t *mask)
{
	int r = memory_copyin(&g->memory, mask, g->upcalls.mask, sizeof *mask);
	if (r && !guest_starved(g, r))
		g->doomed = r == -ENOMEM ? NO_MEMORY : "upcall mask unmapped";
	return r;
}

bool upcall_mask_there(struct guest *g)
{
	uint64_t mask;
	return !mask_read(g, &mask) || !guest_wants(g);
}

bool upcall_before_wait(struct guest *g, uint64_t wake)
{
	uint64_t mask = UINT64_MAX;
	if (g->upcalls.entry && mask_read(g, &mask))
		return true;
	g->upcalls.wait_for = ~mask | wake;
	return upcall_ends_wait(g);
}

/* ---- The timer ---- */

static void timer_fire(struct deadline *d)
{
	struct guest *g = CONTAINER_OF(d, struct guest, upcall_timer);
	g->upcalls.timer = 0;
	upcall_raise(g, CASSIN_EVENT_TIMER);
}

void upcall_look(struct guest *g, uint64_t now)
{
	if (!g->upcalls.timer || g->upcalls.timer > now)
		return;
	deadlines_clear(&guest_worker(g)->deadlines, &g->upcall_timer);
	timer_fire(&g->upcall_timer);
}

void upcall_resume(struct guest *g)
{
	g->upcall_timer.fire = timer_fire;
	if (g->upcalls.timer)
		worker_deadline(guest_worker(g), &g->upcall_timer, g->upcalls.timer);
}

/* As the calls' `timer` has it: 0 leaves it alone, CASSIN_FOREVER turns it off. What it has raised before is withdrawn. */
static int timer_set(struct guest *g, uint64_t when)
{
	struct worker *w = guest_worker(g);
	if (!when)
		return 0;
	if (when == CASSIN_FOREVER) {
		deadlines_clear(&w->deadlines, &g->upcall_timer);
		g->upcalls.timer = 0;
		upcall_lower(g, CASSIN_EVENT_TIMER);
		return 0;
	}
	g->upcall_timer.fire = timer_fire;
	worker_deadline(w, &g->upcall_timer, when);
	g->upcalls.timer = when;
	upcall_lower(g, CASSIN_EVENT_TIMER);
	worker_turn_until(w, when);
	return 0;
}

/* ---- The calls ---- */

static int wanted_check(struct guest *g, const struct upcalls *u)
{
	if (!u->entry)
		return 0;
	if (u->entry >= CASSIN_VA_END || u->stack < CASSIN_VA_MIN || u->stack >= CASSIN_VA_END ||
	    u->stack_size < CASSIN_UPCALL_STACK_MIN || u->stack_size > CASSIN_VA_END - u->stack || u->mask.v % 8)
		return -EINVAL;
	return memory_check_for(&g->memory, u->mask, sizeof(uint64_t), CASSIN_WRITE);
}

int upcall_set(struct guest *g, const struct upcalls *wanted)
{
	struct upcalls *u = &g->upcalls;
	int r = wanted_check(g, wanted);
	if (!r)
		r = timer_set(g, wanted->timer);
	if (r)
		return r;
	u->entry = wanted->entry;
	u->stack = wanted->stack;
	u->stack_size = wanted->stack_size;
	u->mask = wanted->mask;
	if (u->entry)
		worker_turn_until(guest_worker(g), CASSIN_FOREVER);
	return 0;
}

int upcall_return(struct guest *g, gva_t frame, uint64_t timer)
{
	struct cassin_upcall_frame f;
	struct iovec piece;
	int r = memory_copyin(&g->memory, &f, frame, sizeof f);
	if (!r && f.rsv)
		r = -EINVAL;
	if (!r)
		r = registers_check(&f.regs);
	if (!r && g->upcalls.entry) {
		r = memory_span_for(&g->memory, g->upcalls.mask, sizeof f.mask, CASSIN_WRITE, &piece, 1);
		r = r < 0 ? r : 0;
	}
	if (!r)
		r = timer_set(g, timer);
	if (!r && g->upcalls.entry)
		r = memory_copyout(&g->memory, g->upcalls.mask, &f.mask, sizeof f.mask);
	if (!r)
		registers_set(g, &f.regs);
	return r;
}

/* ---- Delivery ---- */

uint64_t upcall_due(struct guest *g)
{
	uint64_t mask;
	if (!g->upcalls.entry || !g->upcalls.pending || mask_read(g, &mask))
		return 0;
	return g->upcalls.pending & ~mask;
}

/* Where the frame goes: on top of the stack, or below what an upcall that is interrupted has there. 0: no room. */
static uint64_t frame_place(const struct guest *g)
{
	const struct upcalls *u = &g->upcalls;
	uint64_t rsp = g->cpu.regs.rsp, room = u->stack_size;
	if (rsp > u->stack && rsp - u->stack <= u->stack_size) {
		room = rsp - u->stack;
		if (room < CASSIN_RED_ZONE)
			return 0;
		room -= CASSIN_RED_ZONE;
	}
	if (room < sizeof(struct cassin_upcall_frame))
		return 0;
	uint64_t at = (u->stack + room - sizeof(struct cassin_upcall_frame)) & ~(uint64_t)(FRAME_ALIGN - 1);
	return at >= u->stack ? at : 0;
}

void upcall_deliver(struct guest *g, uint64_t events)
{
	static const uint64_t all = UINT64_MAX;
	struct cassin_upcall_frame f = {.events = events};
	uint64_t at = frame_place(g);
	if (!at) {
		g->doomed = "upcall stack overflow";
		return;
	}
	registers_get(g, &f.regs);
	if (mask_read(g, &f.mask))
		return;
	int r = memory_copyout(&g->memory, gva(at), &f, sizeof f);
	if (!r)
		r = memory_copyout(&g->memory, g->upcalls.mask, &all, sizeof all);
	if (guest_starved(g, r))
		return; /* delivered when there is memory */
	if (r) {
		g->doomed = r == -ENOMEM ? NO_MEMORY : "upcall stack or mask unmapped";
		return;
	}
	upcall_lower(g, events);
	if (g->trace)
		trace_upcall(g, events, f.regs.rip, at);
	g->cpu.regs.rip = g->upcalls.entry;
	g->cpu.regs.rsp = g->cpu.regs.rsi = at;
	g->cpu.regs.rdi = events;
	g->cpu.regs.rflags = HANDLER_FLAGS;
}
