/* SPDX-License-Identifier: MIT */
#include "guest/upcall.h"

#include <errno.h>
#include <stdlib.h>

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
	int r = memory_copyin(&g->memory, mask, upcall_wanted(&g->upcalls)->mask, sizeof *mask);
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
	if (upcall_wanted(&g->upcalls)->entry && mask_read(g, &mask))
		return true;
	g->upcalls.wait_for = ~mask | wake;
	return upcall_ends_wait(g);
}

/* ---- The timer ---- */

static void timer_fire(struct deadline *d)
{
	struct upcall_handler *h = CONTAINER_OF(d, struct upcall_handler, timer);
	h->is.timer = 0;
	upcall_raise(h->guest, CASSIN_EVENT_TIMER);
}

void upcall_look(struct guest *g, uint64_t now)
{
	struct upcall_handler *h = g->upcalls.handler;
	if (!h || !h->is.timer || h->is.timer > now)
		return;
	upcall_suspend(g);
	timer_fire(&h->timer);
}

void upcall_resume(struct guest *g)
{
	struct upcall_handler *h = g->upcalls.handler;
	if (h && h->is.timer)
		worker_deadline(guest_worker(g), &h->timer, h->is.timer);
}

void upcall_suspend(struct guest *g)
{
	if (g->upcalls.handler)
		deadlines_clear(&guest_worker(g)->deadlines, &g->upcalls.handler->timer);
}

/* As the calls' `timer` has it: 0 leaves it alone, CASSIN_FOREVER turns it off. What it has raised before is withdrawn. */
static void timer_set(struct guest *g, uint64_t when)
{
	if (!when)
		return;
	upcall_suspend(g);
	upcall_lower(g, CASSIN_EVENT_TIMER);
	if (!g->upcalls.handler)
		return;
	g->upcalls.handler->is.timer = when == CASSIN_FOREVER ? 0 : when;
	upcall_resume(g);
	if (when != CASSIN_FOREVER)
		worker_turn_until(guest_worker(g), when);
}

/* ---- Its life ---- */

static int make(struct guest *g)
{
	struct upcall_handler *h = g->upcalls.handler ? g->upcalls.handler : calloc(1, sizeof *h);
	if (!h)
		return -ENOMEM;
	h->guest = g;
	h->timer.fire = timer_fire;
	g->upcalls.handler = h;
	return 0;
}

/* That there is one for what is wanted. */
static int make_for(struct guest *g, uint64_t entry, uint64_t timer)
{
	return entry || (timer && timer != CASSIN_FOREVER) ? make(g) : 0;
}

int upcall_begin(struct guest *g, uint64_t pending, uint64_t wait_for, const struct upcall_wanted *wanted)
{
	int r = make_for(g, wanted->entry, wanted->timer);
	if (r)
		return r;
	g->upcalls.pending = pending;
	g->upcalls.wait_for = wait_for;
	if (g->upcalls.handler)
		g->upcalls.handler->is = *wanted;
	return 0;
}

void upcall_forget(struct guest *g)
{
	free(g->upcalls.handler);
	g->upcalls = (struct upcalls){0};
}

/* ---- The calls ---- */

static int wanted_check(struct guest *g, const struct upcall_wanted *u)
{
	if (!u->entry)
		return 0;
	if (u->entry >= CASSIN_VA_END || u->stack < CASSIN_VA_MIN || u->stack >= CASSIN_VA_END ||
	    u->stack_size < CASSIN_UPCALL_STACK_MIN || u->stack_size > CASSIN_VA_END - u->stack || u->mask.v % 8)
		return -EINVAL;
	return memory_check_for(&g->memory, u->mask, sizeof(uint64_t), CASSIN_WRITE);
}

int upcall_set(struct guest *g, const struct upcall_wanted *wanted)
{
	int r = wanted_check(g, wanted);
	if (!r)
		r = make_for(g, wanted->entry, wanted->timer);
	if (r)
		return r;
	timer_set(g, wanted->timer);
	if (g->upcalls.handler) {
		uint64_t timer = g->upcalls.handler->is.timer;
		g->upcalls.handler->is = *wanted;
		g->upcalls.handler->is.timer = timer;
	}
	if (wanted->entry)
		worker_turn_until(guest_worker(g), CASSIN_FOREVER);
	return 0;
}

int upcall_return(struct guest *g, gva_t frame, uint64_t timer)
{
	const struct upcall_wanted *u = upcall_wanted(&g->upcalls);
	struct cassin_upcall_frame f;
	struct iovec piece;
	int r = memory_copyin(&g->memory, &f, frame, sizeof f);
	if (!r && f.rsv)
		r = -EINVAL;
	if (!r)
		r = registers_check(&f.regs);
	if (!r && u->entry) {
		r = memory_span_for(&g->memory, u->mask, sizeof f.mask, CASSIN_WRITE, &piece, 1);
		r = r < 0 ? r : 0;
	}
	if (!r)
		r = make_for(g, 0, timer);
	if (r)
		return r;
	timer_set(g, timer);
	if (u->entry)
		r = memory_copyout(&g->memory, u->mask, &f.mask, sizeof f.mask);
	if (!r)
		registers_set(g, &f.regs);
	return r;
}

/* ---- Delivery ---- */

uint64_t upcall_due(struct guest *g)
{
	uint64_t mask;
	if (!upcall_wanted(&g->upcalls)->entry || !g->upcalls.pending || mask_read(g, &mask))
		return 0;
	return g->upcalls.pending & ~mask;
}

/* Where the frame goes: on top of the stack, or below what an upcall that is interrupted has there. 0: no room. */
static uint64_t frame_place(const struct guest *g)
{
	const struct upcall_wanted *u = upcall_wanted(&g->upcalls);
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
	const struct upcall_wanted *u = upcall_wanted(&g->upcalls);
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
		r = memory_copyout(&g->memory, u->mask, &all, sizeof all);
	if (guest_starved(g, r))
		return; /* delivered when there is memory */
	if (r) {
		g->doomed = r == -ENOMEM ? NO_MEMORY : "upcall stack or mask unmapped";
		return;
	}
	upcall_lower(g, events);
	if (g->trace)
		trace_upcall(g, events, f.regs.rip, at);
	g->cpu.regs.rip = u->entry;
	g->cpu.regs.rsp = g->cpu.regs.rsi = at;
	g->cpu.regs.rdi = events;
	g->cpu.regs.rflags = HANDLER_FLAGS;
}
