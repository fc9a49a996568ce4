/* SPDX-License-Identifier: MIT */
#ifndef HYPERCALL_H
#define HYPERCALL_H

#include "base/hot.h"

struct guest;

/* What a hypercall leaves the guest to do. */
enum hypercall_next { NEXT_RUN, NEXT_BLOCK, NEXT_YIELD, NEXT_EXIT };
/* Carries out the call in g->cpu.regs; hypercall.c. */
HOT enum hypercall_next hypercall(struct guest *g);

#endif
