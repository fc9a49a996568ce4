/* SPDX-License-Identifier: MIT */
/*
 * Which CPU a stub runs on: its worker's. Two that wake each other across CPUs take four times as long for an exit as two that
 * share one (80 us against 18, measured), and the kernel, which cannot know that they never run at once, spreads them.
 */
#ifndef PROCESS_PLACE_H
#define PROCESS_PLACE_H

#include "process/stub.h"

/* Before a run of s by the calling thread. The thread keeps to one CPU for a while, then gives the kernel an occasion to move it;
 * s follows. Where the host does not let us, nothing is lost but time. */
void stub_place(struct stub *s);
/* The calling thread keeps to no CPU by itself: those that it may have are those of all threads that place stubs, whom the operator may
 * give others at any time. */
void place_by_this_thread(void);

#endif
