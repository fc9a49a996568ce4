/* SPDX-License-Identifier: MIT */
/* The vCPUs of a cell: made at a worker's first visit. */
#include "cell/vcpu.h"

#include <errno.h>
#include <stdlib.h>

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

const char *vcpu_limit(int error)
{
	return error == -EAGAIN ? ": a limit of processes: the control group's pids.max, or ulimit -u" : "";
}

void vcpu_destroy(struct vcpu *v)
{
	if (v)
		v->cell->backend->ops->vcpu_destroy(v);
}

/* A long list is rare, and is not kept. */
void tables_committed(struct tables *t)
{
	t->ncommits = t->committed = 0;
	if (t->commits_size <= COMMITS_RUN)
		return;
	free(t->commits);
	t->commits = NULL;
	t->commits_size = 0;
}
