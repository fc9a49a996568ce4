/* SPDX-License-Identifier: MIT */
/* A guest's memory, as far as it differs from what its image gives, taken out of its frames: for templates and parking. */
#ifndef FREEZE_H
#define FREEZE_H

#include "image/frozen.h"
#include "memory/memory.h"

/* Copies a guest's memory as it is now, as far as it differs from what its image gives (`whole`), or from what its template and
 * its image give, to *out, which is empty. The guest does not run. -ENOMEM, -EBUSY: it has other spaces than 0. */
int memory_freeze(struct memory *m, bool whole, struct frozen *out);
/* Puts the mappings of `f` into a space 0 that nothing has run in. -ENOMEM. */
int memory_remap(struct memory *m, const struct frozen *f);

#endif
