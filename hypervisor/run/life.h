/* SPDX-License-Identifier: MIT */
/* How an incarnation begins, ends, and begins again. */
#ifndef LIFE_H
#define LIFE_H

#include <cassin/spec.h>

#include "guest/host.h"

struct guest;

/* Builds an incarnation in g->cell: memory, boot record, registers; then it is runnable but in no queue. Any thread that
 * has g to itself. -ENOMEM, -E2BIG. */
int guest_begin(struct guest *g, struct cassin_error_text *err);
/* Ends the incarnation and gives all of it back, in a passage: a small one's is over at once. Then the restart is decided about and
 * the engine told. The owner's thread; the guest is not in the queue for its turns. */
void guest_end(struct guest *g, enum end_kind kind, int code);
/* Begins a new incarnation of an ended guest on its worker, in a passage, and queues it. Tells the engine either way. *err, which may be
 * NULL, is written until passage_then() says that it is over. */
void guest_restart(struct guest *g, struct cassin_error_text *err);
/* What came of it, once that passage is over: 0, or -errno and why in *err. */
int guest_restarted(const struct guest *g);
/* Gives an incarnation's memory back without a word; for a spawn that failed after guest_begin(). */
void guest_abandon(struct guest *g);
/* Puts a new incarnation on its worker: runnable, or waiting as its template was. Its owner's thread. */
void guest_start(struct guest *g);

#endif
