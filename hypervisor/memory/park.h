/* SPDX-License-Identifier: MIT */
/*
 * Parking: the memory of a guest that waits, compressed. Pages that equal the image or the template are dropped; of the others the
 * differences are compressed (zstd): a clone has written little of most pages that it has of its own. Frames and page tables go
 * back. Any use of the memory unparks it.
 */
#ifndef PARK_H
#define PARK_H

#include "memory/memory.h"

struct memory_io;

/* Folds up, at once, the memory of a guest that does not run. 0; -EBUSY: it has other spaces, or changes that wait for the monitor, or
 * is being unparked; -ENOMEM: nothing has changed. What comes of it is then written to the swap file of `io` (NULL: there is none)
 * while the guest sleeps; where that is full or broken, it stays in memory. */
int memory_park(struct memory *m, struct memory_io *io);
/* The same in pieces, for a guest with much memory; another use of the memory gives it up, as if nothing had been. begin: 0, -EBUSY,
 * -ENOMEM. go_on: a bounded piece; 1: there is more to do; 0: it is parked; -ECANCELED: it was given up; -ENOMEM: so it is now. */
int memory_park_begin(struct memory *m, struct memory_io *io);
int memory_park_go_on(struct memory *m);
void memory_park_give_up(struct memory *m); /* nothing happens when none is under way */
/* Host memory, or room in the swap file, that it takes. */
size_t parked_size(const struct parked *p);
/* A job for the swap file is over, perhaps. */
void memory_swap_look(struct memory *m);
/* Unparks it; nothing happens when it is not parked. It stays parked with -ENOMEM; -EIO: the swap file does not give it back;
 * -EINPROGRESS: it is not read from there yet, for which nobody waits here. */
int memory_unpark(struct memory *m);
/* The same in pieces; it counts as parked until the last, and memory_unpark() does what is left. begin: 0, also when it has begun or
 * is not parked; -ENOMEM. go_on: a bounded piece; 1: there is more to do; 0: it is unparked; -EINPROGRESS: there is more once a job for
 * the swap file is over; -ENOMEM, -EIO: it stays parked. */
int memory_unpark_begin(struct memory *m);
int memory_unpark_go_on(struct memory *m);
/* The memory stays parked, unless all of it was there; nothing happens when none is under way. */
void memory_unpark_give_up(struct memory *m);
/* Puts what is parked on m's account, or takes it off; nothing when it is in the swap file. Never refused: parked bytes take the
 * place of frames that were just given back, and frames theirs. */
void parked_count(struct memory *m, const struct parked *p, bool held);
/* Of bytes in memory: gives back what the compression did not need. */
void parked_fit(struct parked *p);
/* Has what was just parked written to the swap file, if that has room; and gives that up: true: the bytes are the job's, and so is what
 * they are charged. */
void memory_swap_out(struct memory *m, struct memory_io *io);
bool memory_swap_leave(struct memory *m);
/* Clears a piece of the bytes, if they are in memory, from *at on: HIDDEN_PIECE bytes at most. True: there is more. */
bool parked_wipe_some(struct parked *p, size_t *at);
/* Frees what is parked, if anything is, after which the heap, and a core dump with it, keeps nothing of the guest; so many of its bytes
 * are cleared already. */
void parked_free(struct parked *p, size_t wiped);

#endif
