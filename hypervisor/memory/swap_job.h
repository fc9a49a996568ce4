/* SPDX-License-Identifier: MIT */
/*
 * Parked bytes on their way to the swap file, or back. Another thread reads and writes, for the file may be slow, or hang, and never
 * touches a guest's memory but these bytes. A job belongs to the memory's owner and to that thread at once: who is through last has the
 * bytes. One that its owner leaves under way clears and frees them itself, whenever that is, and until then they are charged to the
 * account that they were on.
 */
#ifndef SWAP_JOB_H
#define SWAP_JOB_H

#include <stdatomic.h>
#include <stdbool.h>

#include "base/account.h"
#include "base/path_job.h"
#include "base/swap.h"

/* What a memory's owner has of the swap file. */
struct memory_io {
	struct swap *swap;
	/* Has the job run on another thread, behind those that were posted before. */
	void (*post)(struct memory_io *io, struct path_job *j);
	/* A job is through, and the file does not need *io any more for it; `wanted`: its owner has not left it. Any thread. */
	void (*over)(struct memory_io *io, bool wanted);
	atomic_uint jobs; /* not through */
};

struct swap_job {
	struct path_job job;
	struct memory_io *io;
	struct account *account; /* on which the bytes are; NULL: on none */
	unsigned char *bytes;
	size_t size;
	uint64_t at;  /* of the file */
	uint64_t sum; /* of what was read or written */
	bool reads;   /* else the room at `at` is the job's, unless */
	bool written; /* it is the parked memory's, and only the bytes are left */
	int result;
	atomic_int state;
};

/* Begins to write what the heap has, and is charged already. NULL: the file is full, or still busy with what this memory was once, or
 * there is no memory. */
struct swap_job *swap_job_write(struct memory_io *io, struct account *account, unsigned char *bytes, size_t size);
/* Begins to read; what the bytes take is charged. -ENOMEM; *starved: because the pool is full. */
int swap_job_read(struct swap_job **out, struct memory_io *io, struct account *account, uint64_t at, size_t size,
		  bool *starved);
/* The owner: whether it is over; what came of it then: 0, -EIO. */
bool swap_job_over(const struct swap_job *j);
int swap_job_result(const struct swap_job *j);
/* The owner does without it. False: it was over, and is freed; the bytes, and what they are charged, are the caller's. True: not yet, and
 * both are the job's. What was not read is nobody's loss; room in the file goes back. */
bool swap_job_leave(struct swap_job *j);
/* The same for one that is over and has written: the room is the caller's, the bytes are cleared and freed elsewhere. */
void swap_job_clear(struct swap_job *j);

#endif
