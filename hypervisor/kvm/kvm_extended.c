/* SPDX-License-Identifier: MIT */
/* The extended state of a vCPU (x87, SSE, AVX, protection keys): loaded, saved, and kept apart between guests. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "kvm/kvm_vcpu.h"

static uint64_t *xstate_bv(void *image)
{
	return (uint64_t *)(void *)((unsigned char *)image + XSTATE_BV_AT);
}

int kvm_vcpu_load_extended(struct kvm_vcpu *v, struct cpu_state *cpu)
{
	void *state = cpu->xstate ? cpu->xstate : kvm_of(v->vcpu.cell)->backend.extended.initial;
	int r = ioctl(v->fd, KVM_SET_XSAVE, state) ? -errno : 0;
	free(cpu->xstate);
	cpu->xstate = NULL;
	return r;
}

/* The extended state that is on the vCPU, as an image for KVM_SET_XSAVE; the caller frees it. */
static int read_extended(struct kvm_vcpu *v, void **out)
{
	const struct kvm *k = kvm_of(v->vcpu.cell);
	void *state = malloc(k->backend.extended.size);
	if (!state)
		return -ENOMEM;
	if (ioctl(v->fd, k->xsave2 ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, state)) {
		free(state);
		return -errno;
	}
	*xstate_bv(state) |= k->backend.extended.always;
	*out = state;
	return 0;
}

int kvm_vcpu_drop_keys(struct vcpu *vcpu, struct cpu_state *cpu)
{
	struct kvm_vcpu *v = kvm_vcpu(vcpu);
	(void)cpu;
	size_t at = kvm_of(v->vcpu.cell)->keys_at;
	void *state;
	int r = at ? read_extended(v, &state) : -ENOENT;
	if (r)
		return r;
	memset((unsigned char *)state + at, 0, sizeof(uint32_t));
	r = ioctl(v->fd, KVM_SET_XSAVE, state) ? -errno : 0;
	free(state);
	return r;
}

int kvm_vcpu_save_extended(struct kvm_vcpu *v)
{
	struct cpu_state *cpu = v->vcpu.unsaved;
	if (!cpu)
		return 0;
	void *state;
	int r = read_extended(v, &state);
	if (r)
		return r;
	free(cpu->xstate);
	cpu->xstate = state;
	v->vcpu.unsaved = NULL;
	v->vcpu.incarnation = 0;
	return 0;
}

int kvm_vcpu_save(struct vcpu *v, struct cpu_state *cpu)
{
	return v->unsaved == cpu ? kvm_vcpu_save_extended(kvm_vcpu(v)) : 0;
}

void kvm_vcpu_forget(struct vcpu *v, struct cpu_state *cpu)
{
	if (v->unsaved == cpu)
		v->unsaved = NULL;
}

/* Nothing of a guest's is kept here but its extended state. */
void kvm_vcpu_leave(struct vcpu *v, struct cpu_state *cpu)
{
	(void)v;
	(void)cpu;
}

void kvm_vcpu_keep(struct vcpu *v, struct cpu_state *cpu)
{
	if (v->incarnation == cpu->incarnation)
		v->unsaved = cpu;
}

/* Ring 3 may write PKRU on a KVM that leaves the host's CR4.PKE standing, and an image without that component leaves it as
 * it is. So it is always spelled out (0: no restriction), where KVM takes it. */
void kvm_vcpu_probe_keys(struct kvm_vcpu *v, struct kvm *k)
{
	*xstate_bv(k->backend.extended.initial) |= XSTATE_PKRU;
	if (ioctl(v->fd, KVM_SET_XSAVE, k->backend.extended.initial))
		*xstate_bv(k->backend.extended.initial) &= ~XSTATE_PKRU;
	else
		k->backend.extended.always |= XSTATE_PKRU;
	if (k->backend.extended.always & XSTATE_PKRU)
		k->keys_at = extended_keys_at(k->backend.extended.size);
}
