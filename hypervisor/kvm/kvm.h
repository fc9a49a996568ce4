/* SPDX-License-Identifier: MIT */
/* /dev/kvm: opened once, what it can do, and what every vCPU is given. */
#ifndef KVM_H
#define KVM_H

#include <linux/kvm.h>

#include "cell/backend.h"

struct kvm {
	struct backend backend;
	int fd;
	size_t run_size;          /* of a vCPU's shared page */
	struct kvm_cpuid2 *cpuid; /* what guests see: no AVX-512, no FSGSBASE, no virtualisation */
	uint64_t xcr0;            /* x87, SSE and, where there is, AVX */
	size_t keys_at;           /* where an image has PKRU; 0: nowhere */
	bool xsave2;              /* KVM_GET_XSAVE2 is needed (the state exceeds 4 KiB) */
	bool rip_at_out;          /* after an out exit RIP is at the instruction, not behind it; found by a probe */
	unsigned slots;           /* memory slots of a VM */
};

/* Opens it, and finds out by a probe what this KVM does. -ENOENT, -EACCES, -ENOSYS, -ENOMEM with the cure in *err. */
int kvm_open(struct backend **out, unsigned *done, struct cassin_error_text *err);
extern const char *const kvm_steps[]; /* of opening it, NULL at the end; *done is how many succeeded */
/* Closes what an ioctl of KVM gave, a VM or a vCPU. A place of its own: see tests/tsan-suppressions. */
void kvm_descriptor_close(int fd);

#endif
