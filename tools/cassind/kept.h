/* SPDX-License-Identifier: MIT */
/* What the last daemon left in the state folder. */
#ifndef KEPT_H
#define KEPT_H

#include "daemon.h"

/*
 * Makes the kept templates and starts the kept guests, on the pool, while the loop runs; what cannot be had is logged. Guests
 * start one after the other, but those behind one whose files cannot be read do not wait for it. Calls `ready` once, on the loop:
 * when all is there, or when nothing has come for KEPT_PATIENCE_MS. Needs d->state.
 */
#define KEPT_PATIENCE_MS 35000 /* longer than a template may take to boot */
void kept_start(struct daemon *d, void (*ready)(struct daemon *d));
/* Starts no more, and no longer keeps the loop running but for what is under way. If it was started. */
void kept_stop(struct daemon *d);
void kept_free(struct daemon *d); /* after the loop's end */

#endif
