/* SPDX-License-Identifier: MIT */
/* What an incarnation finds at its entry. */
#ifndef BOOT_H
#define BOOT_H

struct guest;

/* Builds the memory of an incarnation in g->cell, with its boot record unless the guest is a clone. -ENOMEM, -E2BIG: nothing is held.
 * go_on: a piece: 1: there is more; 0; -ENOMEM. */
int begin_memory(struct guest *g);
int begin_memory_go_on(struct guest *g);

#endif
