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

struct guest;
struct worker;

struct vcpu {
	struct cell *cell;
	unsigned worker;
	int fd;
	struct kvm_run *run;
	struct kvm_sregs user; /* ring 3, but for cr3 and fs */
	uint64_t cr3;          /* last given to KVM */
	uint64_t generation;   /* of the memory whose translations it may hold */
	uint64_t incarnation;  /* of the guest whose extended state it holds */
	struct guest *unsaved; /* was interrupted; its extended state is on the vCPU only */
	uint64_t fs_base;      /* last given to KVM */
	bool user_loaded;      /* KVM holds ring-3 segments */
	uint64_t out_rip;      /* where an unfinished `out` stands, on KVMs that leave RIP at it; else 0 */
};

enum vcpu_exit {
	VCPU_HYPERCALL,   /* g->regs are behind the call */
	VCPU_EXCEPTION,   /* *x tells; g->regs are the guest's */
	VCPU_INTERRUPTED, /* a kick; the guest can be put aside */
	VCPU_BAD_IO,      /* another port, width or direction */
	VCPU_BROKEN, /* anything else: x->error is the KVM exit reason; g->regs are not newer than the guest's last */
};

struct vcpu_exception {
	uint64_t vector, error, address;
};

/* The worker's vCPU in a cell, made at the first visit. -errno. */
int vcpu_get(struct cell *c, unsigned worker, struct vcpu **out);
void vcpu_destroy(struct vcpu *v); /* NULL is fine */

/* Prepares v for g: commits its page-table changes, reloads stale translations, loads or scrubs the extended state. Counts
 * commits in *commits. -errno when KVM refuses. */
int vcpu_load(struct vcpu *v, struct guest *g, uint64_t *commits);
/* Runs g in ring 3 until something happens. vcpu_load() was called since anything else ran here or g's tables changed. */
HOT enum vcpu_exit vcpu_run(struct vcpu *v, struct guest *g, struct worker *w, struct vcpu_exception *x);
/* Saves the extended state of v->unsaved, if there is such a guest, to that guest. -ENOMEM. */
int vcpu_save_extended(struct vcpu *v);
/* Lifts all restrictions that ring 3 has put on protection keys. -ENOENT: there are none here; -ENOMEM. */
int vcpu_drop_keys(struct vcpu *v);
/* After VCPU_BROKEN: back to a known state. */
void vcpu_reset(struct vcpu *v);
/* The same where g, which was on it, is to run on: its extended state is kept. -ENOMEM. */
int vcpu_recover(struct vcpu *v, struct guest *g);
/* Sets k->rip_at_out and k->tsc_direct by running the probe, mapped at `probe` under the monitor's root. */
int vcpu_probe(struct cell *c, struct kvm *k, uint64_t probe, struct cassin_error_text *err);

#endif
