/* SPDX-License-Identifier: MIT */
#include "memory/swap_job.h"

#include <errno.h>
#include <stdlib.h>

#include "base/container.h"
#include "base/hash.h"
#include "base/hidden.h"

enum { JOB_RUNS, JOB_OVER, JOB_LEFT };

/* ---- On the other thread ---- */

static void run(struct path_job *path_job)
{
	struct swap_job *j = CONTAINER_OF(path_job, struct swap_job, job);
	if (atomic_load(&j->state) == JOB_LEFT)
		return;
	j->result = j->reads ? swap_read(j->io->swap, j->at, j->bytes, j->size)
			     : swap_put(j->io->swap, j->at, j->bytes, j->size);
	if (!j->result)
		j->sum = hash_fnv(j->bytes, j->size);
}

static void free_left(struct swap_job *j)
{
	size_t wiped = 0;
	if (!j->reads && !j->written)
		swap_free(j->io->swap, j->at, j->size);
	if (j->reads) {
		hidden_free(j->bytes);
	} else {
		while (hidden_wipe_some(j->bytes, j->size, &wiped)) {
		}
		free(j->bytes);
	}
	if (j->account)
		account_uncharge(j->account, ACCOUNT_PARKED, j->size);
	free(j);
}

/* Once it is over it is its owner's. */
static void done(struct path_job *path_job)
{
	struct swap_job *j = CONTAINER_OF(path_job, struct swap_job, job);
	struct memory_io *io = j->io;
	int runs = JOB_RUNS;
	bool wanted = atomic_compare_exchange_strong(&j->state, &runs, JOB_OVER);
	if (!wanted)
		free_left(j);
	atomic_fetch_sub(&io->jobs, 1);
	io->over(io, wanted);
}

/* ---- The owner ---- */

static void post(struct swap_job *j)
{
	j->job = (struct path_job){.run = run, .done = done};
	atomic_fetch_add(&j->io->jobs, 1);
	j->io->post(j->io, &j->job);
}

static struct swap_job *job_new(struct memory_io *io, struct account *account, size_t size)
{
	struct swap_job *j = calloc(1, sizeof *j);
	if (!j)
		return NULL;
	j->io = io;
	j->account = account;
	j->size = size;
	return j;
}

struct swap_job *swap_job_write(struct memory_io *io, struct account *account, unsigned char *bytes, size_t size)
{
	struct swap_job *j = atomic_load(&io->jobs) ? NULL : job_new(io, account, size);
	if (!j || swap_take(io->swap, size, &j->at)) {
		free(j);
		return NULL;
	}
	j->bytes = bytes;
	post(j);
	return j;
}

int swap_job_read(struct swap_job **out, struct memory_io *io, struct account *account, uint64_t at, size_t size,
		  bool *starved)
{
	*starved = account && account_charge(account, ACCOUNT_PARKED, size);
	if (*starved)
		return -ENOMEM;
	struct swap_job *j = job_new(io, account, size);
	if (j)
		j->bytes = hidden_alloc(size + 1, false);
	if (!j || !j->bytes) {
		if (account)
			account_uncharge(account, ACCOUNT_PARKED, size);
		free(j);
		return -ENOMEM;
	}
	j->reads = true;
	j->at = at;
	post(j);
	*out = j;
	return 0;
}

bool swap_job_over(const struct swap_job *j)
{
	return atomic_load(&j->state) == JOB_OVER;
}

int swap_job_result(const struct swap_job *j)
{
	return j->result;
}

bool swap_job_leave(struct swap_job *j)
{
	int runs = JOB_RUNS;
	if (atomic_compare_exchange_strong(&j->state, &runs, JOB_LEFT))
		return true;
	if (!j->reads)
		swap_free(j->io->swap, j->at, j->size);
	free(j);
	return false;
}

void swap_job_clear(struct swap_job *j)
{
	j->written = true;
	atomic_store(&j->state, JOB_LEFT);
	post(j);
}
