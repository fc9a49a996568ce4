/* SPDX-License-Identifier: MIT */
/* Turns: a guest on a vCPU until it blocks, yields, ends or has used up its slice. */
#ifndef DISPATCH_H
#define DISPATCH_H

#include "base/hot.h"

struct worker;

/* Gives the guest whose turn it is one, if there is any. */
HOT void worker_turn(struct worker *w);

#endif
