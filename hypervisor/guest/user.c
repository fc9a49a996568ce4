/* SPDX-License-Identifier: MIT */
#include "guest/user.h"

#include <errno.h>
#include <stdlib.h>

#include "guest/guest.h"
#include "guest/registers.h"
#include "guest/trace_records.h"

static int frame_check(const struct cassin_user_frame *f)
{
	if (f->wake & ~(uint64_t)CASSIN_EVENT_ALL || f->rsv[0] || f->rsv[1])
		return -EINVAL;
	return registers_check(&f->regs);
}

int user_enter(struct guest *g, uint64_t space, gva_t frame, uint64_t deadline)
{
	struct cassin_user_frame f;
	struct iovec pieces[2];
	if (!space || space >= SPACES_MAX || !tables_root(&g->memory.tables, (unsigned)space))
		return -EINVAL;
	int n = memory_span_for(&g->memory, frame, sizeof f, CASSIN_WRITE, pieces,
				2); /* so that its end can be told there, too */
	if (n < 0)
		return n;
	int r = memory_copyin(&g->memory, &f, frame, sizeof f);
	if (!r)
		r = frame_check(&f);
	if (!r && !g->user.caller)
		r = (g->user.caller = malloc(sizeof *g->user.caller)) ? 0 : -ENOMEM;
	if (r)
		return r;
	*g->user.caller = (struct user_caller){
		.regs = g->cpu.regs,
		.fs_base = g->cpu.fs_base,
		.frame = frame,
		.deadline = deadline,
		.wake = f.wake,
	};
	g->user.space = (unsigned)space;
	registers_set(g, &f.regs);
	worker_turn_until(guest_worker(g), deadline);
	return 0;
}

void user_leave(struct guest *g, int64_t result, const struct user_end *end)
{
	struct cassin_user_frame f = {.wake = g->user.caller->wake};
	if (end) {
		f.events = end->events;
		f.vector = end->vector;
		f.error = end->error;
		f.address = end->address;
	}
	registers_get(g, &f.regs);
	gva_t frame = g->user.caller->frame;
	user_drop(g);
	g->cpu.regs.rax = (uint64_t)result;
	if (g->trace)
		trace_user_return(g, &f);
	if (memory_copyout(&g->memory, frame, &f, sizeof f))
		g->doomed = "user frame unmapped";
}

void user_end_if_due(struct guest *g, uint64_t now, uint64_t upcall)
{
	if (!g->user.space)
		return;
	struct user_end end = {.events = g->upcalls.pending & g->user.caller->wake & ~upcall};
	if (g->user.caller->deadline <= now) {
		user_leave(g, CASSIN_USER_DEADLINE, NULL);
	} else if (end.events || upcall) {
		upcall_lower(g, end.events);
		user_leave(g, CASSIN_USER_EVENT, &end);
	}
}

void user_drop(struct guest *g)
{
	if (!g->user.space)
		return;
	g->cpu.regs = g->user.caller->regs;
	g->cpu.fs_base = g->user.caller->fs_base;
	g->user.space = 0;
}

void user_forget(struct guest *g)
{
	free(g->user.caller);
	g->user = (struct user_run){0};
}
