/* SPDX-License-Identifier: MIT */
/*
 * Where the chunks of page numbers come from (memory.h). They come by the hundred thousand and go together when guests are
 * parked; among the C library's blocks they would leave holes that nothing fills. Here pages of the host hold
 * nothing else, and go back to it. Any thread.
 */
#ifndef CHUNKS_H
#define CHUNKS_H

#include <stddef.h>

struct chunk;

/* Takes a chunk of zeros. NULL: no memory. */
struct chunk *chunk_new(void);
/* NULL is fine. */
void chunk_free(struct chunk *c);
/* Bytes of the host's memory that are kept, in use or not. */
size_t chunks_kept(void);

#endif
