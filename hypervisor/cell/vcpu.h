/* SPDX-License-Identifier: MIT */
/*
 * A vCPU: a worker's engine in a cell. It runs ring 3 of one guest after another, and the monitor's commit routine in
 * between. It knows whose translations and whose registers it holds. Used by its worker's thread only.
 */
#ifndef VCPU_H
#define VCPU_H

#include <linux/kvm.h>

#include "base/hot.h"
#include "cell/cell.h"
#include "cell/cpu_state.h"
#include "cell/kick.h"

#define OUT_SIZE 2u /* bytes of `out %al, imm8` */

struct vcpu {
	struct cell *cell;
	unsigned worker;
	int fd;
	struct kvm_run *run;
	struct kvm_sregs user;     /* ring 3, but for cr3 and fs */
	uint64_t cr3;              /* last given to KVM */
	uint64_t generation;       /* of the memory whose translations it may hold */
	uint64_t incarnation;      /* of the guest whose extended state it holds */
	struct cpu_state *unsaved; /* was interrupted; its extended state is on the vCPU only */
	uint64_t fs_base;          /* last given to KVM */
	bool user_loaded;          /* KVM holds ring-3 segments */
	uint64_t out_rip;          /* where an unfinished `out` stands, on KVMs that leave RIP at it; else 0 */
};

enum vcpu_exit {
	VCPU_OUT, /* `out` of a byte to our port; the registers are behind it, if it is the instruction of that form */
	VCPU_EXCEPTION,   /* *x tells; the registers are where it happened */
	VCPU_INTERRUPTED, /* a kick; the guest can be put aside */
	VCPU_BAD_IO,      /* another port, width or direction */
	VCPU_BROKEN, /* anything else: x->error is the KVM exit reason; the registers are not newer than the last */
};

struct vcpu_exception {
	uint64_t vector, error, address;
};

/* The worker's vCPU in a cell, made at the first visit. -errno. */
int vcpu_get(struct cell *c, unsigned worker, struct vcpu **out);
void vcpu_destroy(struct vcpu *v); /* NULL is fine */

/* Prepares v for *cpu in the space of this root: loads or scrubs the extended state, commits changes of its page tables, reloads
 * stale translations. Counts runs of the monitor in *commits. -EAGAIN: not all is committed yet, call it again; *cpu may be put
 * aside before, and its extended state is on v then. Another -errno when KVM refuses. */
int vcpu_load(struct vcpu *v, struct cpu_state *cpu, struct tables *t, frame_t root, uint64_t *commits);
/* Runs *cpu in ring 3 until something happens, a kick among that. vcpu_load() was called since anything else ran here or the
 * tables changed. */
HOT enum vcpu_exit vcpu_run(struct vcpu *v, struct cpu_state *cpu, frame_t root, struct kick *k,
			    struct vcpu_exception *x);
/* Saves the extended state that is on the vCPU only, if there is any. -ENOMEM. */
int vcpu_save_extended(struct vcpu *v);
/* The same if it is that of *cpu. v may be NULL, as in the next two. */
int vcpu_save(struct vcpu *v, const struct cpu_state *cpu);
/* The extended state of *cpu is no longer wanted; or it is to be saved before another's is loaded, if the vCPU has it. */
void vcpu_forget(struct vcpu *v, const struct cpu_state *cpu);
void vcpu_keep(struct vcpu *v, struct cpu_state *cpu);
/* Lifts all restrictions that ring 3 has put on protection keys. -ENOENT: there are none here; -ENOMEM. */
int vcpu_drop_keys(struct vcpu *v);
/* Loads the extended state of *cpu, or the initial one if it has none. -errno. */
int vcpu_load_extended(struct vcpu *v, struct cpu_state *cpu);
/* Finds out whether KVM takes protection keys in an image of the extended state; stores that in *k. */
void vcpu_probe_keys(struct vcpu *v, struct kvm *k);
/* After VCPU_BROKEN: back to a known state. */
void vcpu_reset(struct vcpu *v);
/* The same where *cpu, which was on it, is to run on: its extended state is kept. -ENOMEM. */
int vcpu_recover(struct vcpu *v, struct cpu_state *cpu);
/* Sets k->rip_at_out and k->tsc_direct by running the probe, mapped at `probe` under the monitor's root. */
int vcpu_probe(struct cell *c, struct kvm *k, uint64_t probe, struct cassin_error_text *err);

#endif
