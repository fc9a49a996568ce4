/* SPDX-License-Identifier: MIT */
/*
 * A vCPU: a worker's engine in a cell. It runs ring 3 of one guest after another, and knows whose translations and whose
 * registers it holds. How it does so is its backend's business. Used by its worker's thread only.
 */
#ifndef VCPU_H
#define VCPU_H

#include <stdlib.h>

#include "base/hot.h"
#include "cell/backend.h"
#include "cell/cell.h"
#include "cell/cpu_state.h"
#include "cell/kick.h"

#define OUT_SIZE 2u /* bytes of `out %al, imm8` */

struct vcpu {
	struct cell *cell;
	unsigned worker;
	uint64_t generation;       /* of the memory whose translations it may hold */
	uint64_t incarnation;      /* of the guest whose extended state it holds */
	struct cpu_state *unsaved; /* was interrupted; its extended state is on the vCPU only */
};

enum vcpu_exit {
	VCPU_OUT, /* `out` of a byte to our port; the registers are behind it, if it is the instruction of that form */
	VCPU_EXCEPTION,   /* *x tells; the registers are where it happened */
	VCPU_INTERRUPTED, /* a kick; the guest can be put aside */
	VCPU_BAD_IO,      /* another port, width or direction */
	VCPU_BROKEN,      /* anything else, x->why; the registers are not newer than the last */
};

struct vcpu_exception {
	uint64_t vector, error, address;
	char why[192];
};

/* The worker's vCPU in a cell, made at the first visit. -errno. */
int vcpu_get(struct cell *c, unsigned worker, struct vcpu **out);
/* What is to be said behind that error: which limit of the host it may be; "" if that is not known. */
const char *vcpu_limit(int error);
void vcpu_destroy(struct vcpu *v); /* NULL is fine */
/* For backends: all that was queued has taken effect. */
void tables_committed(struct tables *t);

/* Prepares v for *cpu: loads or scrubs the extended state, has changes of its page tables take effect, drops stale translations.
 * Counts steps of that in *commits. -EAGAIN: not all has taken effect yet, call it again; *cpu may be put aside before, and its
 * extended state is on v then. Another -errno when the host refuses. */
static inline int vcpu_load(struct vcpu *v, struct cpu_state *cpu, struct tables *t, unsigned space, uint64_t *commits)
{
	return v->cell->backend->ops->load(v, cpu, t, space, commits);
}

/* Runs *cpu in ring 3, in a space of *t, until something happens, a kick among that. vcpu_load() was called since anything else
 * ran here or the tables changed. */
static inline enum vcpu_exit vcpu_run(struct vcpu *v, struct cpu_state *cpu, const struct tables *t, unsigned space,
				      struct kick *k, struct vcpu_exception *x)
{
	return v->cell->backend->ops->run(v, cpu, t, space, k, x);
}

/* Ends a run that goes on, or is about to: called in a signal handler of the thread that runs it. */
static inline void vcpu_stop(struct vcpu *v)
{
	v->cell->backend->ops->stop(v);
}

/* Saves the extended state of *cpu if it is on v only. -ENOMEM. v may be NULL here, and in the next three. */
static inline int vcpu_save(struct vcpu *v, struct cpu_state *cpu)
{
	return v ? v->cell->backend->ops->save(v, cpu) : 0;
}

/* The extended state of *cpu is no longer wanted, nor anything else that v holds of it. */
static inline void vcpu_forget(struct vcpu *v, struct cpu_state *cpu)
{
	if (v)
		v->cell->backend->ops->forget(v, cpu);
}

/* *cpu does not run here for a while, or its tables are taken down: v gives back what it holds for it. The extended state goes,
 * too, unless it was saved. */
static inline void vcpu_leave(struct vcpu *v, struct cpu_state *cpu)
{
	if (v)
		v->cell->backend->ops->leave(v, cpu);
}

/* The extended state of *cpu is to be saved before another's is loaded, if the vCPU has it. */
static inline void vcpu_keep(struct vcpu *v, struct cpu_state *cpu)
{
	if (v)
		v->cell->backend->ops->keep(v, cpu);
}

/* *cpu has let its extended state go, as a guest does by a call: nobody need save it. */
static inline void vcpu_lose_extended(struct vcpu *v, struct cpu_state *cpu)
{
	if (v->unsaved == cpu)
		v->unsaved = NULL;
	free(cpu->xstate);
	cpu->xstate = NULL;
	cpu->extended_lost = true;
}

/* Lifts all restrictions that ring 3 has put on protection keys. -ENOENT: there are none here; -ENOMEM. */
static inline int vcpu_drop_keys(struct vcpu *v, struct cpu_state *cpu)
{
	return v->cell->backend->ops->drop_keys(v, cpu);
}

/* After VCPU_BROKEN: back to a known state. */
static inline void vcpu_reset(struct vcpu *v, struct cpu_state *cpu)
{
	v->cell->backend->ops->reset(v, cpu);
}

/* The same where *cpu, which was on it, is to run on: its extended state is kept. -ENOMEM. */
static inline int vcpu_recover(struct vcpu *v, struct cpu_state *cpu)
{
	return v->cell->backend->ops->recover(v, cpu);
}

#endif
