// SPDX-License-Identifier: MIT
/*
 * Standard output for a guest's console: a thread writes, so that whoever has bytes for it never waits for a reader. What does not
 * fit the buffer is lost, and said in its place.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stddef.h>

#include <cassin/sandbox.h>

#define OUTPUT_BYTES_MAX ((size_t)16 << 20)

struct output;

/* Starts the thread, which enters the sandbox. broken(opaque) is called by it when standard output takes no more. NULL: no memory. */
struct output *output_start(const struct cassin_sandbox *sandbox, void (*broken)(void *opaque), void *opaque);
/* Takes bytes; any thread. */
void output_write(struct output *o, const char *bytes, size_t len);
/* 0, or the errno for which standard output takes no more. */
int output_error(const struct output *o);
/* Nothing more comes. A descriptor that becomes readable when all that was taken has been written. */
int output_end(struct output *o);
/* After that descriptor has become readable; the thread is gone. */
void output_free(struct output *o);

#endif
