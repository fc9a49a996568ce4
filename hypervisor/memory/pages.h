/* SPDX-License-Identifier: MIT */
/* From the numbers of a guest's pages to their frames: memory.c's. What that takes of the host's memory is on the guest's account. */
#ifndef PAGES_H
#define PAGES_H

#include "memory/memory.h"

/* Where a page's frame is remembered. NULL: nowhere yet; with `create`, that there is no memory for it. */
frame_t *pages_slot(struct memory *m, uint64_t page, bool create);
/* Gives the frames of the last `most` chunks back, and the chunks. How many there were. */
uint32_t pages_drop_some(struct memory *m, uint32_t most);

#endif
