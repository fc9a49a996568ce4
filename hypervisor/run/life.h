/* SPDX-License-Identifier: MIT */
/* How an incarnation begins, ends, and begins again. */
#ifndef LIFE_H
#define LIFE_H

#include <cassin/spec.h>

#include "guest/host.h"

struct guest;
struct guest_call;

/* Builds an incarnation in g->cell: memory, boot record, registers; then it is runnable but in no queue. Any thread that
 * has g to itself. -ENOMEM, -E2BIG. */
int guest_begin(struct guest *g, struct cassin_error_text *err);
/* Ends the incarnation and gives all of it back, in a passage: a small one's is over at once. Then the restart is decided about and
 * the engine told. The owner's thread; the guest is not in the queue for its turns. */
void guest_end(struct guest *g, enum end_kind kind, int code);
/* Begins a new incarnation of an ended guest on its worker, and queues it: once its ports listen, which threads for paths may have to see
 * to, in a passage. Tells the engine either way. *err, which may be NULL, is written until guest_restart_then() says that it is over. */
void guest_restart(struct guest *g, struct cassin_error_text *err);
/* Has fn run once that is over, and what came of it: 0, or -errno and why in *err. */
void guest_restart_then(struct guest *g, struct guest_call *c, void (*fn)(struct guest *g, struct guest_call *c));
int guest_restarted(const struct guest *g);
/* It is not to begin after all, if it still waits for its ports. */
void guest_restart_give_up(struct guest *g);
/* Gives an incarnation's memory back without a word; for a spawn that failed after guest_begin(). */
void guest_abandon(struct guest *g);
/* Puts a new incarnation on its worker: runnable, or waiting as its template was. Its owner's thread. */
void guest_start(struct guest *g);

#endif
