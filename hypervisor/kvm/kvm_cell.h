/* SPDX-License-Identifier: MIT */
/* A cell behind which there is a KVM VM. */
#ifndef KVM_CELL_H
#define KVM_CELL_H

#include "base/container.h"
#include "cell/cell.h"
#include "kvm/kvm.h"

struct kvm_cell {
	struct cell cell;
	int vm;
	unsigned nslots;
	frame_t code, tables, tss, stacks; /* of the monitor */
	frame_t root;                      /* the monitor's own */
	void *dummy;                       /* page behind the slot that a flush takes out and puts back */
};

static inline struct kvm_cell *kvm_cell(struct cell *c)
{
	return CONTAINER_OF(c, struct kvm_cell, cell);
}

static inline const struct kvm *kvm_of(const struct cell *c)
{
	return CONTAINER_OF(c->backend, struct kvm, backend);
}

/* As struct backend_ops has them. */
int kvm_cell_open(struct cell *c, struct cassin_error_text *err);
void kvm_cell_close(struct cell *c);
int kvm_cell_grow(struct cell *c, uint64_t *at, uint64_t *size);
void kvm_cell_flush(struct cell *c);
void kvm_cell_trim(struct cell *c);
int kvm_cell_give_back(struct cell *c, frame_t first, uint32_t n);

/* Finds out where RIP is after an exit and whether the TSC reads true, and stores that in *k. */
int kvm_cell_probe(struct kvm *k, struct cassin_error_text *err);

#endif
