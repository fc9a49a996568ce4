/* SPDX-License-Identifier: MIT */
/*
 * Where a guest's console goes, or its trace: a thread writes, so that whoever has bytes for it never waits for a reader. What does not
 * fit the buffer is lost, and said in its place; that there was no memory to make it larger is an error besides.
 */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stddef.h>

#include <cassin/sandbox.h>

#define OUTPUT_BYTES_MAX ((size_t)16 << 20)

struct output;

/* Starts the thread, which enters the sandbox and writes to fd. `what` names the bytes to a person. broken(opaque) is called by it when
 * fd takes no more. NULL, with errno: no memory, no thread, no descriptor. */
struct output *output_start(int fd, const char *what, const struct cassin_sandbox *sandbox,
			    void (*broken)(void *opaque), void *opaque);
/* Takes bytes; any thread. */
void output_write(struct output *o, const char *bytes, size_t len);
/* 0, or the errno for which the descriptor takes no more. */
int output_error(const struct output *o);
/* The same at the end, or ENOMEM: some bytes were lost although somebody may have read them. */
int output_lost(struct output *o);
/* Nothing more comes. A descriptor that becomes readable when all that was taken has been written. */
int output_end(struct output *o);
/* After that descriptor has become readable; the thread is gone. */
void output_free(struct output *o);

#endif
