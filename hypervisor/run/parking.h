/* SPDX-License-Identifier: MIT */
/* When the memory of guests is parked, and unparked. The owner's thread. */
#ifndef PARKING_H
#define PARKING_H

struct guest;
struct work;

/* Folds up the memory of a guest that waits. 0, -EBUSY, -ENOMEM. Its owner's thread. */
int guest_park(struct guest *g);
/* Looks after a while whether it still waits, and parks it then. */
void guest_park_later(struct guest *g);
/* What a guest's `waking` does (guest_wakes_first()). */
void guest_wake_some(struct work *w);
/* Why a guest ends whose memory could not be unparked. */
const char *guest_asleep_why(int error);
/* A parked guest runs again, or ends. */
void guest_unparked(struct guest *g);

#endif
