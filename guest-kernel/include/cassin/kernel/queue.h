/* SPDX-License-Identifier: MIT */
/* Message queues: messages of one size, copied in and out in order, at most so many at a time. */
#ifndef CASSIN_KERNEL_QUEUE_H
#define CASSIN_KERNEL_QUEUE_H

#include <stdbool.h>

#include <cassin/kernel/thread.h>

struct cassin_queue {
	char *messages;
	size_t size;              /* of one, bytes */
	uint32_t most, head, len; /* messages: room for, the oldest, there are */
	bool closed;
	struct cassin_waiters senders, receivers;
};

/* Room for `most` messages of `size` bytes, on the heap. 0, -CASSIN_ENOMEM, -CASSIN_EINVAL: one of them is 0. */
int cassin_queue_init(struct cassin_queue *q, size_t size, uint32_t most);
/* Gives the memory back. Nobody may wait. */
void cassin_queue_free(struct cassin_queue *q);
/* Waits for room and puts a message in. 0, -CASSIN_ETIMEDOUT, -CASSIN_EPIPE: closed. With CASSIN_NOW it never blocks. */
int cassin_queue_send(struct cassin_queue *q, const void *message, uint64_t deadline);
/* Waits for a message and takes it. 0, -CASSIN_ETIMEDOUT, -CASSIN_EPIPE: closed, and none is left. */
int cassin_queue_receive(struct cassin_queue *q, void *message, uint64_t deadline);
/* No more messages will come: all that wait are woken. What is in it can be received. */
void cassin_queue_close(struct cassin_queue *q);

#endif
