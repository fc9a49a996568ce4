/* SPDX-License-Identifier: MIT */
/* The vCPUs of a cell: made at a worker's first visit. */
#include "cell/vcpu.h"

int vcpu_get(struct cell *c, unsigned worker, struct vcpu **out)
{
	int r = 0;
	if (!c->vcpus[worker]) {
		pthread_mutex_lock(&c->lock);
		r = c->backend->ops->vcpu_create(c, worker, &c->vcpus[worker]);
		pthread_mutex_unlock(&c->lock);
	}
	*out = c->vcpus[worker];
	return r;
}

void vcpu_destroy(struct vcpu *v)
{
	if (v)
		v->cell->backend->ops->vcpu_destroy(v);
}
