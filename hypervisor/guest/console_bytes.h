/* SPDX-License-Identifier: MIT */
/* The bytes of a guest's console: the last that it wrote, and the input that waits for it. Any thread; one mutex each. */
#ifndef CONSOLE_BYTES_H
#define CONSOLE_BYTES_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/account.h"
#include "guest/op.h"
#include "guest/work.h"

#define CONSOLE_KEPT (16u << 10)  /* bytes of output kept */
#define CONSOLE_INPUT (64u << 10) /* bytes of input that may wait */

/* Input that waits, and who waits for some. */
struct console_input {
	struct op_queue readers; /* console reads that wait; the owner's thread only, as */
	struct work work;        /* what is left to be answered of them, */
	struct guest *guest;     /* whose it is */
	char *bytes;             /* a ring of CONSOLE_INPUT, malloc'd with the first of them */
	uint32_t start, len;
};

struct console {
	struct account *account; /* on which its bytes are; NULL: on none */
	pthread_mutex_t lock;
	char *out; /* ring of `out_size` bytes, grown as needed up to CONSOLE_KEPT */
	uint32_t out_size;
	bool in_end;               /* end of input */
	uint64_t out_end;          /* stream offset behind the last byte written */
	atomic_uint_fast64_t lost; /* bytes that are no longer kept */
	/* Malloc'd when there is some, or a read; NULL: not yet, and for most guests never. */
	_Atomic(struct console_input *) input;
};

void console_init(struct console *c);
void console_destroy(struct console *c);
/* Appends; what does not fit pushes the oldest out. */
void console_write(struct console *c, const char *bytes, size_t len);
/* Bytes that were pushed out of the ring. */
uint64_t console_lost(const struct console *c);
/* As cassin_engine_guest_log(). */
long console_read(struct console *c, uint64_t *offset, char *buf, size_t len, uint64_t *lost);
/* Puts input in the queue: bytes taken, -EAGAIN when full. len 0 ends the input. */
long console_feed(struct console *c, const char *bytes, size_t len);
/* Its input, which is made if there was none yet. The lock is held. NULL: no memory. */
struct console_input *console_input(struct console *c);
/* A fresh incarnation: input that ended flows again. */
void console_reopen(struct console *c);

#endif
