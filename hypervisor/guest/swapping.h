/* SPDX-License-Identifier: MIT */
/*
 * A guest's part in the swap file. Its parked memory is written and read by threads that do nothing else (worker/paths.h, one for each
 * guest at a time), and what they take of the CPU is the guest's. A guest whose memory is being read waits: it has no turns, nothing is
 * served for it, operations that are over are held. That it can be ended meanwhile, memory/swap_job.h sees to. The owner's thread.
 */
#ifndef SWAPPING_H
#define SWAPPING_H

#include "guest/post.h"
#include "memory/swap_job.h"
#include "worker/paths.h"

struct guest;

struct guest_swapping {
	struct memory_io io;
	struct guest *guest;
	struct path_line line;
	struct guest_call call; /* tells that a job is over, */
	atomic_bool told;       /* and is under way */
	bool waits;             /* for what is being read */
};

/* A new guest's, malloc'd. NULL: no memory. */
struct guest_swapping *guest_swapping_new(struct guest *g);
/* Where its parked memory goes; NULL: there is no swap file. */
struct memory_io *guest_swap(struct guest *g);

#endif
