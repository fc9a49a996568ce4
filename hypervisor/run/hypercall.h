/* SPDX-License-Identifier: MIT */
/* The hypercalls, by number. */
#ifndef HYPERCALL_H
#define HYPERCALL_H

#include "base/hot.h"

struct guest;

/* What a hypercall leaves the guest to do. */
enum hypercall_next { NEXT_RUN, NEXT_BLOCK, NEXT_YIELD, NEXT_EXIT, NEXT_AGAIN };
/* Carries out the call in g->cpu.regs. NEXT_AGAIN: it has begun, and g->in_call says so: to be called again, before the guest runs. */
HOT enum hypercall_next hypercall(struct guest *g);

#endif
