/* SPDX-License-Identifier: MIT */
/* /dev/kvm: opened once, what it can do, and what every vCPU is given. */
#ifndef KVM_H
#define KVM_H

#include <linux/kvm.h>

#include <cassin/spec.h>

#include "base/types.h"

/* Intel SDM volume 1, 13.4.2: where the XSAVE header names the components that an image holds. */
#define XSTATE_BV_AT 512u
#define XSTATE_LEGACY UINT64_C(3) /* x87 and SSE */
#define XSTATE_PKRU UINT64_C(0x200)
#define XSTATE_PKRU_LEAF 9u /* of CPUID leaf 0xd */

struct kvm {
	int fd;
	size_t run_size;          /* of a vCPU's shared page */
	struct kvm_cpuid2 *cpuid; /* what guests see: no AVX-512, no FSGSBASE, no virtualisation */
	uint64_t xcr0;            /* x87, SSE and, where there is, AVX */
	size_t xsave_size;
	void *xsave_initial;   /* the extended state at reset: loading it scrubs */
	uint64_t xsave_always; /* components that an image must spell out, as their absence leaves them alone */
	size_t keys_at;        /* where an image has PKRU; 0: nowhere */
	bool xsave2;           /* KVM_GET_XSAVE2 is needed (the state exceeds 4 KiB) */
	bool rip_at_out;       /* after an out exit RIP is at the instruction, not behind it; found by a probe */
	bool tsc_direct;       /* guests read the host's TSC; found by a probe */
	unsigned slots;        /* memory slots of a VM */
};

/* -ENOENT, -EACCES, -ENOSYS, -ENOMEM with the cure in *err. The two probed members are cell_probe()'s to set. */
int kvm_open(struct kvm *k, struct cassin_error_text *err);
void kvm_close(struct kvm *k);
/* Closes what an ioctl of KVM gave, a VM or a vCPU. A place of its own: see tests/tsan-suppressions. */
void kvm_descriptor_close(int fd);

#endif
