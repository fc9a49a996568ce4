/* SPDX-License-Identifier: MIT */
/* A vCPU of process cells: as struct backend_ops has it. */
#ifndef PROCESS_VCPU_H
#define PROCESS_VCPU_H

#include "cell/vcpu.h"

int process_vcpu_create(struct cell *c, unsigned worker, struct vcpu **out);
void process_vcpu_destroy(struct vcpu *v);
int process_vcpu_load(struct vcpu *v, struct cpu_state *cpu, struct tables *t, unsigned space, uint64_t *commits);
HOT enum vcpu_exit process_vcpu_run(struct vcpu *v, struct cpu_state *cpu, const struct tables *t, unsigned space,
				    struct kick *k, struct vcpu_exception *x);
void process_vcpu_stop(struct vcpu *v);
int process_vcpu_save(struct vcpu *v, struct cpu_state *cpu);
void process_vcpu_leave(struct vcpu *v, struct cpu_state *cpu);
void process_vcpu_keep(struct vcpu *v, struct cpu_state *cpu);
int process_vcpu_drop_keys(struct vcpu *v, struct cpu_state *cpu);
void process_vcpu_reset(struct vcpu *v, struct cpu_state *cpu);
int process_vcpu_recover(struct vcpu *v, struct cpu_state *cpu);

#endif
