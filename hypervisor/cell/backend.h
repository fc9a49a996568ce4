/* SPDX-License-Identifier: MIT */
/*
 * What runs guest code: the seam between cells and the rooms that can be behind one (kvm/, process/). An engine opens one
 * backend; its cells and vCPUs are objects of that backend, which begin with what the rest of the hypervisor knows of them.
 */
#ifndef BACKEND_H
#define BACKEND_H

#include <cassin/spec.h>

#include "base/types.h"
#include "cell/cpu_state.h"

struct cell;
struct kick;
struct vcpu;
struct vcpu_exception;
enum vcpu_exit;

/* The extended state (x87, SSE, AVX, protection keys) as an XSAVE image in the standard form, Intel SDM volume 1, 13.4. */
struct extended {
	size_t size;
	void *initial;   /* the state at reset: loading it scrubs */
	uint64_t always; /* components that an image must spell out, as their absence leaves them alone */
};

/* Intel SDM volume 1, 13.4.2: where the XSAVE header names the components that an image holds. */
#define XSTATE_BV_AT 512u
#define XSTATE_LEGACY UINT64_C(3) /* x87 and SSE */
#define XSTATE_PKRU UINT64_C(0x200)
#define XSTATE_PKRU_LEAF 9u /* of CPUID leaf 0xd */

/* Makes *e for images of this size. -ENOMEM. */
int extended_make(struct extended *e, size_t size, uint64_t always);
/* Where an image of this size has PKRU on this CPU; 0: nowhere. */
size_t extended_keys_at(size_t size);

struct backend {
	const struct backend_ops *ops;
	struct extended extended;
	bool tsc_direct;         /* guests read the host's TSC */
	uint64_t run_bytes_most; /* of the host's memory, on the account of a guest that runs, at most */
	void (*ask)(void *opaque, unsigned worker); /* has ops->reclaim() called on that worker's thread, soon */
	void *opaque;
};

struct backend_ops {
	const char *name; /* as people write it */
	bool traces;      /* its vCPUs are processes that workers trace */
	void (*close)(struct backend *b);
	/* On a worker's thread, in no run: gives back some of what counts as the pool's and can be made again. False: there is nothing
	 * of the kind. spare: whether there may be something; any thread. NULL: there never is. */
	bool (*reclaim)(struct backend *b, unsigned worker);
	bool (*spare)(struct backend *b, unsigned worker);

	/* Cells: `cell_size` bytes, zeroed, of which the backend's own follow struct cell. open makes c->memory; when it
	 * fails, or later, close is called. The rest is told at the functions of cell.h that call these. */
	size_t cell_size;
	int (*cell_open)(struct cell *c, struct cassin_error_text *err);
	void (*cell_close)(struct cell *c);
	/* Makes the next *size bytes of guest memory usable, from *at on or, where that cannot be, fewer from a later *at. -errno. */
	int (*cell_grow)(struct cell *c, uint64_t *at, uint64_t *size);
	/* Makes whatever is cached of the cell's page tables forgotten. With the cell's lock. NULL: nothing reads tables of the
	 * dead, so there is nothing to forget. */
	void (*cell_flush)(struct cell *c);
	/* Gives back what the backend itself keeps of guests at rest. With the cell's lock. */
	void (*cell_trim)(struct cell *c);
	/* Gives the host's pages of n frames back: they read as zero then. -errno. */
	int (*cell_give_back)(struct cell *c, frame_t first, uint32_t n);

	/* vCPUs, as vcpu.h says of them. */
	int (*vcpu_create)(struct cell *c, unsigned worker, struct vcpu **out);
	void (*vcpu_destroy)(struct vcpu *v);
	int (*load)(struct vcpu *v, struct cpu_state *cpu, struct tables *t, unsigned space, uint64_t *commits);
	enum vcpu_exit (*run)(struct vcpu *v, struct cpu_state *cpu, const struct tables *t, unsigned space,
			      struct kick *k, struct vcpu_exception *x);
	void (*stop)(struct vcpu *v);
	int (*save)(struct vcpu *v, struct cpu_state *cpu);
	void (*forget)(struct vcpu *v, struct cpu_state *cpu);
	void (*leave)(struct vcpu *v, struct cpu_state *cpu);
	void (*keep)(struct vcpu *v, struct cpu_state *cpu);
	int (*drop_keys)(struct vcpu *v, struct cpu_state *cpu);
	void (*reset)(struct vcpu *v, struct cpu_state *cpu);
	int (*recover)(struct vcpu *v, struct cpu_state *cpu);
};

static inline void backend_close(struct backend *b)
{
	if (b)
		b->ops->close(b);
}

#endif
