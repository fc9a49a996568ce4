/* SPDX-License-Identifier: MIT */
/* A process runs: its kernel's thread goes into user code and comes back with a reason. */
#include "processes.h"

#define PAGE_FAULT 14

static void ends(struct process *p, enum cassin_end end, int code)
{
	p->status = (struct cassin_status){.pid = p->pid, .end = (int32_t)end, .code = code};
}

static void crashes(struct process *p)
{
	const struct cassin_user_frame *f = &p->frame;
	if (f->vector == PAGE_FAULT)
		cassin_print("process %d (%s) crashed: page fault: %s 0x%lx at 0x%lx\n", p->pid, p->name,
			     f->error == CASSIN_WRITE  ? "write to"
			     : f->error == CASSIN_EXEC ? "execution of"
						       : "read of",
			     f->address, f->regs.rip);
	else
		cassin_print("process %d (%s) crashed: exception %lu at 0x%lx\n", p->pid, p->name, f->vector,
			     f->regs.rip);
	ends(p, CASSIN_END_CRASH, (int)f->vector);
}

void process_slice(struct process *p)
{
	p->slice_end = cassin_after(processes.limits.slice);
}

void process_give_way(struct process *p)
{
	cassin_thread_yield();
	process_slice(p);
}

/* False: it ends. */
static bool runs(struct process *p)
{
	switch (cassin_user_run(p->space.number, &p->frame, p->slice_end, &p->vectors)) {
	case CASSIN_USER_CALL:
		p->calls++;
		return process_call(p);
	case CASSIN_USER_FAULT:
		crashes(p);
		return false;
	case CASSIN_USER_DEADLINE:
		process_give_way(p);
		return true;
	case CASSIN_USER_EVENT: /* the kernel preempts: its upcall has let the others run */
		process_slice(p);
		return true;
	default: /* a register as no code can have it, or the host has no memory */
		cassin_print("process %d (%s) cannot go on\n", p->pid, p->name);
		ends(p, CASSIN_END_KILL, 0);
		return false;
	}
}

int process_run(void *arg)
{
	struct process *p = arg;
	process_slice(p);
	ends(p, CASSIN_END_KILL, 0);
	while (!p->killed && runs(p))
		;
	if (p->killed)
		ends(p, CASSIN_END_KILL, 0);
	process_end(p);
	return 0;
}
