/* SPDX-License-Identifier: MIT */
/* How guests go from one worker to another. */
#ifndef MOVE_H
#define MOVE_H

#include <stdbool.h>

struct guest;
struct worker;

/* Gives a guest that was put aside to a worker where it is better off, if there is one. */
bool worker_rebalance(struct worker *w, struct guest *g);

#endif
