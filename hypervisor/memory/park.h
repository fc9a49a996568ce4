/* SPDX-License-Identifier: MIT */
/*
 * Parking: the memory of a guest that waits, compressed. Pages that equal the image or the template are dropped; of the others the
 * differences are compressed (zstd): a clone has written little of most pages that it has of its own. Frames and page tables go
 * back. Any use of the memory unparks it.
 */
#ifndef PARK_H
#define PARK_H

#include "memory/memory.h"

#define PARK_LEVEL 1 /* of compression: a guest that wakes waits for it */

struct swap;

/* Folds up, at once, the memory of a guest that does not run; into `swap` if that is not NULL and takes it. 0; -EBUSY: it has other
 * spaces, or changes that wait for the monitor, or is being unparked; -ENOMEM: nothing has changed. */
int memory_park(struct memory *m, struct swap *swap);
/* The same in pieces, for a guest with much memory; another use of the memory gives it up, as if nothing had been. begin: 0, -EBUSY,
 * -ENOMEM. go_on: a bounded piece; 1: there is more to do; 0: it is parked; -ECANCELED: it was given up; -ENOMEM: so it is now. */
int memory_park_begin(struct memory *m, struct swap *swap);
int memory_park_go_on(struct memory *m);
void memory_park_give_up(struct memory *m); /* nothing happens when none is under way */
/* Host memory, or room in the swap file, that it takes. */
size_t parked_size(const struct parked *p);
/* Unparks it; nothing happens when it is not parked. -ENOMEM, or -EIO: the swap file does not give it back. It stays parked
 * then. */
int memory_unpark(struct memory *m);
/* The same in pieces; it counts as parked until the last, and memory_unpark() does what is left. begin: 0, also when it has begun or
 * is not parked; -ENOMEM. go_on: a bounded piece; 1: there is more to do; 0: it is unparked; -ENOMEM, -EIO: it stays parked. */
int memory_unpark_begin(struct memory *m);
int memory_unpark_go_on(struct memory *m);
/* The memory stays parked, unless all of it was there; nothing happens when none is under way. */
void memory_unpark_give_up(struct memory *m);
/* Fills the pages of one frame of zstd's, which begins at `bytes`; gives its size and their number. They are at most `most`, whose
 * numbers are at `numbers`. -ENOMEM; -EIO: it is something else. */
int parked_fill(struct memory *m, const unsigned char *bytes, size_t *size, const unsigned char *numbers, size_t most,
		size_t *n);
/* Puts what is parked on m's account, or takes it off; nothing when it is in the swap file. Never refused: parked bytes take the
 * place of frames that were just given back, and frames theirs. */
void parked_count(struct memory *m, const struct parked *p, bool held);
/* Of bytes in memory: gives back what the compression did not need; frees them, after which the heap, and a core dump with it, keeps
 * nothing of the guest. */
void parked_fit(struct parked *p);
void parked_wipe(struct parked *p);
/* Clears a piece of them, from *at on: HIDDEN_PIECE bytes at most. True: there is more. */
bool parked_wipe_some(struct parked *p, size_t *at);
/* Frees what is parked, if anything is; so many of its bytes are cleared already. */
void parked_free(struct parked *p, size_t wiped);

#endif
