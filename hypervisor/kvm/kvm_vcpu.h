/* SPDX-License-Identifier: MIT */
/*
 * A vCPU of KVM: it runs ring 3 of one guest after another, and the monitor's commit routine in between.
 */
#ifndef KVM_VCPU_H
#define KVM_VCPU_H

#include <linux/kvm.h>

#include "base/container.h"
#include "cell/vcpu.h"
#include "kvm/kvm_cell.h"

struct kvm_vcpu {
	struct vcpu vcpu;
	int fd;
	struct kvm_run *run;
	struct kvm_sregs user; /* ring 3, but for cr3 and fs */
	uint64_t cr3;          /* last given to KVM */
	uint64_t fs_base;      /* last given to KVM */
	bool user_loaded;      /* KVM holds ring-3 segments */
	uint64_t out_rip;      /* where an unfinished `out` stands, on KVMs that leave RIP at it; else 0 */
};

static inline struct kvm_vcpu *kvm_vcpu(struct vcpu *v)
{
	return CONTAINER_OF(v, struct kvm_vcpu, vcpu);
}

/* As struct backend_ops has them. */
int kvm_vcpu_create(struct cell *c, unsigned worker, struct vcpu **out);
void kvm_vcpu_destroy(struct vcpu *v);
int kvm_vcpu_load(struct vcpu *v, struct cpu_state *cpu, struct tables *t, unsigned space, uint64_t *commits);
HOT enum vcpu_exit kvm_vcpu_run(struct vcpu *v, struct cpu_state *cpu, const struct tables *t, unsigned space,
				struct kick *k, struct vcpu_exception *x);
void kvm_vcpu_stop(struct vcpu *v);
int kvm_vcpu_save(struct vcpu *v, struct cpu_state *cpu);
void kvm_vcpu_forget(struct vcpu *v, struct cpu_state *cpu);
void kvm_vcpu_leave(struct vcpu *v, struct cpu_state *cpu);
void kvm_vcpu_keep(struct vcpu *v, struct cpu_state *cpu);
int kvm_vcpu_drop_keys(struct vcpu *v, struct cpu_state *cpu);
void kvm_vcpu_reset(struct vcpu *v, struct cpu_state *cpu);
int kvm_vcpu_recover(struct vcpu *v, struct cpu_state *cpu);

/* Saves the extended state that is on the vCPU only, if there is any. -ENOMEM. */
int kvm_vcpu_save_extended(struct kvm_vcpu *v);
/* Loads the extended state of *cpu, or the initial one if it has none. -errno. */
int kvm_vcpu_load_extended(struct kvm_vcpu *v, struct cpu_state *cpu);
/* Finds out whether KVM takes protection keys in an image of the extended state; stores that in *k. */
void kvm_vcpu_probe_keys(struct kvm_vcpu *v, struct kvm *k);
/* Sets k->rip_at_out and tsc_direct by running the probe, mapped at `probe` under the monitor's root. */
int kvm_vcpu_probe(struct cell *c, struct kvm *k, uint64_t probe, struct cassin_error_text *err);

#endif
