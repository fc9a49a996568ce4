/* SPDX-License-Identifier: MIT */
/* Freezing a guest into a template, and beginning clones of it. */
#ifndef CLONE_H
#define CLONE_H

struct guest;
struct template;

/* Freezes a guest that does not run. -EBUSY: a connection is open, or an operation is under way that cannot be started
 * again; -ENOMEM. Its owner's thread. */
int template_freeze(struct guest *g, struct template **out);
/* Gives a clone that guest_begin() has just made what is its own: name, seed, registers, rings, listeners. -ENOMEM. */
int template_begin(struct guest *g);
/* Starts a clone on its worker: the operations that were waiting wait again; then it is runnable, or waits itself. */
void template_resume(struct guest *g);

#endif
