/* SPDX-License-Identifier: MIT */
/* Freezing a guest into a template, and beginning clones of it. */
#ifndef CLONE_H
#define CLONE_H

#include <stdbool.h>
#include <stddef.h>

struct guest;
struct template;

/* Freezes a guest that g->freezing asks for, and that does not run any more: guest_end() comes next, and goes on with it in
 * pieces. What comes of it is in g->freezing: -EBUSY: a connection is open, or an operation is under way that cannot be started again;
 * -ENOMEM. Its owner's thread. */
void guest_freeze_begin(struct guest *g);
/* Does a piece. True: there is more; nothing happens when none is under way. */
bool guest_freeze_some(struct guest *g);
/* Gives a clone that guest_begin() has just made what is its own: name, seed, registers, rings. -ENOMEM. */
int template_begin(struct guest *g);
/* Then its listeners, a few from *at on, 0 at first. 1: there are more; 0; -ENOMEM: none is open. */
int template_listen_some(struct guest *g, size_t *at);
/* Starts a clone on its worker: the operations that were waiting wait again; then it is runnable, or waits itself. */
void template_resume(struct guest *g);

#endif
