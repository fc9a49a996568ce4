/* SPDX-License-Identifier: MIT */
/* The extended state of a vCPU (x87, SSE, AVX, protection keys): loaded, saved, and kept apart between guests. */
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "cell/vcpu.h"

static uint64_t *xstate_bv(void *image)
{
	return (uint64_t *)(void *)((unsigned char *)image + XSTATE_BV_AT);
}

int vcpu_load_extended(struct vcpu *v, struct cpu_state *cpu)
{
	void *state = cpu->xstate ? cpu->xstate : v->cell->kvm->xsave_initial;
	int r = ioctl(v->fd, KVM_SET_XSAVE, state) ? -errno : 0;
	free(cpu->xstate);
	cpu->xstate = NULL;
	return r;
}

/* The extended state that is on the vCPU, as an image for KVM_SET_XSAVE; the caller frees it. */
static int read_extended(struct vcpu *v, void **out)
{
	const struct kvm *k = v->cell->kvm;
	void *state = malloc(k->xsave_size);
	if (!state)
		return -ENOMEM;
	if (ioctl(v->fd, k->xsave2 ? KVM_GET_XSAVE2 : KVM_GET_XSAVE, state)) {
		free(state);
		return -errno;
	}
	*xstate_bv(state) |= k->xsave_always;
	*out = state;
	return 0;
}

int vcpu_drop_keys(struct vcpu *v)
{
	size_t at = v->cell->kvm->keys_at;
	void *state;
	int r = at ? read_extended(v, &state) : -ENOENT;
	if (r)
		return r;
	memset((unsigned char *)state + at, 0, sizeof(uint32_t));
	r = ioctl(v->fd, KVM_SET_XSAVE, state) ? -errno : 0;
	free(state);
	return r;
}

int vcpu_save_extended(struct vcpu *v)
{
	struct cpu_state *cpu = v->unsaved;
	if (!cpu)
		return 0;
	void *state;
	int r = read_extended(v, &state);
	if (r)
		return r;
	free(cpu->xstate);
	cpu->xstate = state;
	v->unsaved = NULL;
	v->incarnation = 0;
	return 0;
}

int vcpu_save(struct vcpu *v, const struct cpu_state *cpu)
{
	return v && v->unsaved == cpu ? vcpu_save_extended(v) : 0;
}

void vcpu_forget(struct vcpu *v, const struct cpu_state *cpu)
{
	if (v && v->unsaved == cpu)
		v->unsaved = NULL;
}

void vcpu_keep(struct vcpu *v, struct cpu_state *cpu)
{
	if (v && v->incarnation == cpu->incarnation)
		v->unsaved = cpu;
}

/* Ring 3 may write PKRU on a KVM that leaves the host's CR4.PKE standing, and an image without that component leaves it as
 * it is. So it is always spelled out (0: no restriction), where KVM takes it. */
void vcpu_probe_keys(struct vcpu *v, struct kvm *k)
{
	*xstate_bv(k->xsave_initial) |= XSTATE_PKRU;
	if (ioctl(v->fd, KVM_SET_XSAVE, k->xsave_initial))
		*xstate_bv(k->xsave_initial) &= ~XSTATE_PKRU;
	else
		k->xsave_always |= XSTATE_PKRU;
	unsigned size, at, c, d;
	if (k->xsave_always & XSTATE_PKRU && __get_cpuid_count(0xd, XSTATE_PKRU_LEAF, &size, &at, &c, &d) &&
	    size >= sizeof(uint32_t) && at <= k->xsave_size - size)
		k->keys_at = at;
}
