/* SPDX-License-Identifier: MIT */
#include "memory/park.h"

#include <errno.h>
#include <stdlib.h>

#include "base/hidden.h"
#include "memory/freeze.h"
#include "memory/swap_job.h"

size_t parked_size(const struct parked *p)
{
	return p->nentries * sizeof(struct frozen_entry) + p->packed;
}

bool parked_wipe_some(struct parked *p, size_t *at)
{
	return p->bytes && hidden_wipe_some(p->bytes, parked_size(p), at);
}

void parked_fit(struct parked *p)
{
	unsigned char *fitted = realloc(p->bytes, parked_size(p) + 1);
	if (fitted)
		p->bytes = fitted;
}

void parked_count(struct memory *m, const struct parked *p, bool held)
{
	if (!m->account || p->io)
		return;
	if (held)
		account_force(m->account, ACCOUNT_PARKED, parked_size(p));
	else
		account_uncharge(m->account, ACCOUNT_PARKED, parked_size(p));
}

void parked_free(struct parked *p, size_t wiped)
{
	if (p->active && p->io)
		swap_free(p->io->swap, p->at, parked_size(p));
	while (p->active && parked_wipe_some(p, &wiped)) {
	}
	if (p->active)
		free(p->bytes);
	*p = (struct parked){.active = false};
}

/* ---- The swap file ---- */

void memory_swap_out(struct memory *m, struct memory_io *io)
{
	struct parked *p = &m->parked;
	m->writing = io ? swap_job_write(io, m->account, p->bytes, parked_size(p)) : NULL;
}

bool memory_swap_leave(struct memory *m)
{
	struct swap_job *j = m->writing;
	m->writing = NULL;
	if (!j || !swap_job_leave(j))
		return false;
	m->parked.bytes = NULL;
	return true;
}

void memory_swap_look(struct memory *m)
{
	struct swap_job *j = m->writing;
	struct parked *p = &m->parked;
	if (!j || m->waking || !swap_job_over(j))
		return;
	m->writing = NULL;
	if (swap_job_result(j)) {
		swap_job_leave(j);
		return;
	}
	p->io = j->io;
	p->at = j->at;
	p->sum = j->sum;
	p->bytes = NULL;
	swap_job_clear(j);
}

/* ---- At once ---- */

int memory_park(struct memory *m, struct memory_io *io)
{
	int r = memory_park_begin(m, io);
	while (!r && m->parking) {
		r = memory_park_go_on(m);
		if (r == 1)
			r = 0;
	}
	return r;
}
