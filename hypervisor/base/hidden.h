/* SPDX-License-Identifier: MIT */
/* Memory for copies of what guests hold: left out of core dumps where it is large or lasts, and cleared before it is given back. */
#ifndef HIDDEN_H
#define HIDDEN_H

#include <stdbool.h>
#include <stddef.h>

/* `lasting` memory has a mapping of its own whatever its size; other memory has one if it is large, for making one takes time. What
 * has one goes back to the host at once, which the C library's heaps do not promise: a thread's keeps what was freed at its end.
 * NULL: there is none. To be given back by hidden_free() alone. */
void *hidden_alloc(size_t size, bool lasting);
void hidden_free(void *at); /* NULL is fine */

/* Clears a piece of such content in other memory, from *at on, and says where it ends: HIDDEN_PIECE bytes at most. Whole pages of it go
 * back to the host, so that what frees them has little left to do. True: there is more. */
#define HIDDEN_PIECE ((size_t)1 << 20)
bool hidden_wipe_some(void *bytes, size_t size, size_t *at);

#endif
