/* SPDX-License-Identifier: MIT */
/* How a debugged guest stops and goes on. */
#include "run/debugger.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/vectors.h"
#include "cell/pagetable.h"
#include "cell/vcpu.h"
#include "guest/guest.h"
#include "run/life.h"
#include "run/parking.h"

struct cassin_debugger *debugger_new(void (*notify)(void *opaque), void *opaque)
{
	struct cassin_debugger *d = calloc(1, sizeof *d);
	if (!d)
		return NULL;
	d->breakpoints = calloc(CASSIN_DEBUG_BREAKPOINTS_MAX, sizeof *d->breakpoints);
	if (!d->breakpoints) {
		free(d);
		return NULL;
	}
	pthread_mutex_init(&d->lock, NULL);
	d->notify = notify;
	d->opaque = opaque;
	return d;
}

void debugger_free(struct cassin_debugger *d)
{
	if (d->guest)
		guest_put(d->guest);
	pthread_mutex_destroy(&d->lock);
	free(d->breakpoints);
	free(d);
}

/* The lock is held over the notice: whoever detaches waits for it. */
static void tell(struct cassin_debugger *d, struct cassin_debug_event event)
{
	pthread_mutex_lock(&d->lock);
	d->event = event;
	d->pending = true;
	d->notify(d->opaque);
	pthread_mutex_unlock(&d->lock);
}

/* ---- In a turn ---- */

static int signal_of(uint64_t vector)
{
	switch (vector) {
	case VECTOR_DIVIDE:
	case VECTOR_X87:
	case VECTOR_SIMD:
		return SIGFPE;
	case VECTOR_OPCODE:
		return SIGILL;
	case VECTOR_BREAKPOINT:
		return SIGTRAP;
	default:
		return SIGSEGV;
	}
}

enum debug_answer debug_exception(struct guest *g, const struct vcpu_exception *x)
{
	struct cassin_debugger *d = g->debugger;
	d->signal = signal_of(x->vector);
	if (x->vector == VECTOR_DEBUG) {
		d->signal = SIGTRAP;
		return d->step ? DEBUG_HOLD : DEBUG_GO_ON; /* TF that a stepped pushf has saved, and a popf restored */
	}
	if (g->user.space)
		return DEBUG_NOT_MINE; /* breakpoints are in the guest's own code, not in its users' */
	/* Where a debugger has a function return to, nothing may be executable: reaching it is what counts. */
	bool fetch = x->vector == VECTOR_PAGE && x->error & PF_FETCH && x->error & PF_PRESENT;
	if ((x->vector != VECTOR_PROTECTION && !fetch) || !breakpoint_at(d, g->cpu.regs.rip))
		return DEBUG_NOT_MINE;
	d->signal = SIGTRAP;
	d->at_break = true;
	return DEBUG_HOLD;
}

void debug_called(struct guest *g, struct vcpu *v)
{
	vcpu_recover(v, &g->cpu);
	g->cpu.step_flag = 0;
}

void debug_forbidden(struct guest *g)
{
	g->debugger->signal = signal_of(VECTOR_PROTECTION);
}

bool debug_after_call(struct guest *g, bool waits)
{
	struct cassin_debugger *d = g->debugger;
	if (!d->step)
		return false;
	d->step = false;
	d->due = waits;
	d->signal = SIGTRAP;
	return !waits;
}

bool debug_due(struct guest *g)
{
	bool due = g->debugger->due;
	if (due)
		g->debugger->signal = SIGTRAP;
	return due;
}

/* ---- Stopping ---- */

void debug_hold(struct guest *g, int signal)
{
	struct cassin_debugger *d = g->debugger;
	struct worker *w = guest_worker(g);
	struct vcpu *v = g->cell->vcpus[w->number];
	if (g->run == RUN_RUNNABLE) {
		worker_dequeue(w, g);
	} else if (g->run == RUN_BLOCKED) {
		deadlines_clear(&w->deadlines, &g->wake);
		d->waiting = true;
		d->rip = g->cpu.regs.rip;
	}
	d->crash_rip = g->cpu.regs.rip;
	vcpu_save(v, &g->cpu); /* without memory for it, it stays on the vCPU */
	guest_unparked(g);     /* whoever looks unparks it */
	g->run = RUN_STOPPED;
	atomic_store(&g->stopped, true);
	g->used_slice = false;
	g->cpu.step_flag = 0;
	tell(d, (struct cassin_debug_event){.kind = DEBUG_STOPPED, .signal = signal, .breakpoint = d->at_break});
	d->step = d->due = d->at_break = false;
	d->signal = 0;
	work_schedule(g);
}

void debug_turn_over(struct guest *g, struct vcpu *v)
{
	vcpu_keep(v, &g->cpu);
	debug_hold(g, g->debugger->signal ? g->debugger->signal : SIGABRT);
}

/* ---- Going on ---- */

static void wait_on(struct guest *g)
{
	g->debugger->waiting = false;
	if (guest_wait(g, g->wait_count, g->wait_until))
		worker_enqueue(guest_worker(g), g, SHARE_RAN);
	else
		guest_park_later(g);
}

int debug_resume(struct guest *g, bool step)
{
	struct cassin_debugger *d = g->debugger;
	if (g->run != RUN_STOPPED)
		return -EBUSY;
	if (g->crash && g->cpu.regs.rip == d->crash_rip) {
		guest_end(g, END_CRASH, 0);
		return 0;
	}
	free(g->crash);
	g->crash = NULL;
	atomic_store(&g->stopped, false);
	bool waits = d->waiting && g->cpu.regs.rip == d->rip;
	d->due = step && waits;
	d->step = step && !waits;
	g->cpu.step_flag = d->step ? RFLAGS_TF : 0;
	if (d->spawned) {
		d->spawned = false;
		guest_start(g);
	} else if (waits) {
		wait_on(g);
	} else {
		worker_enqueue(guest_worker(g), g, SHARE_RAN);
	}
	return 0;
}

static void release(struct guest *g)
{
	g->debugger = NULL;
	g->cpu.step_flag = 0;
	atomic_store(&g->debugged, false);
	atomic_store(&g->stopped, false);
}

void debug_take(struct guest *g, struct cassin_debugger *d)
{
	g->debugger = d;
	atomic_store(&g->debugged, true);
}

void debug_ended(struct guest *g, enum end_kind kind, int code)
{
	struct cassin_debug_event how = {.code = code};
	how.kind = kind == END_EXIT ? DEBUG_EXITED : kind == END_CRASH ? DEBUG_CRASHED : DEBUG_KILLED;
	struct cassin_debugger *d = g->debugger;
	release(g);
	d->nbreakpoints = 0;
	tell(d, how);
}

void debug_detach(struct guest *g)
{
	struct cassin_debugger *d = g->debugger;
	while (d->nbreakpoints)
		breakpoint_clear(g, d->breakpoints[0].va);
	if (g->run == RUN_STOPPED)
		debug_resume(g, false);
	release(g);
}
