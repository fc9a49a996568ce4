/* SPDX-License-Identifier: MIT */
/* Where the next stub comes from: a blank one, a new one; and, where the host or the pool has no room for more, another's. */
#ifndef PROCESS_SUPPLY_H
#define PROCESS_SUPPLY_H

#include "process/stub.h"

/* vCPUs whose blank stubs others may have ended. */
void supply_add(struct process_vcpu *v);
void supply_remove(struct process_vcpu *v);

/* A stub for *cpu, as stubs_get() has it. */
int supply_get(struct process_vcpu *v, const struct cpu_state *cpu, struct stub **out, struct vcpu_exception *x);

/* A new one, for which nobody gives up another. -errno, with why in *x. */
int supply_make(struct process_vcpu *v, struct stub **out, struct vcpu_exception *x);

/* As struct backend_ops has these. */
bool supply_reclaim(struct backend *b, unsigned worker);
bool supply_spare(struct backend *b, unsigned worker);

#endif
