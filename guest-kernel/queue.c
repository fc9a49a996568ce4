/* SPDX-License-Identifier: MIT */
#include "kernel_private.h"

int cassin_queue_init(struct cassin_queue *q, size_t size, uint32_t most)
{
	*q = (struct cassin_queue){.size = size, .most = most};
	if (!size || !most)
		return -CASSIN_EINVAL;
	q->messages = cassin_zalloc(most, size);
	return q->messages ? 0 : -CASSIN_ENOMEM;
}

void cassin_queue_free(struct cassin_queue *q)
{
	cassin_free(q->messages);
	q->messages = NULL;
}

static void put(struct cassin_queue *q, const void *message)
{
	uint64_t at = (q->head + (uint64_t)q->len++) % q->most;
	memcpy(q->messages + at * q->size, message, q->size);
}

static void take(struct cassin_queue *q, void *message)
{
	memcpy(message, q->messages + q->head * q->size, q->size);
	q->head = q->head + 1 == q->most ? 0 : q->head + 1;
	q->len--;
}

/* Whoever waits shows its message, or the place for one; who comes later does not get in between. */
static int wait(struct cassin_waiters *list, void *message, uint64_t deadline, const char *what)
{
	kernel.current->message = message;
	return kernel_block(list, deadline, what);
}

int cassin_queue_send(struct cassin_queue *q, const void *message, uint64_t deadline)
{
	int r = 0;
	kernel_lock();
	struct cassin_thread *receiver = q->receivers.first;
	if (q->closed) {
		r = -CASSIN_EPIPE;
	} else if (receiver) {
		memcpy(receiver->message, message, q->size);
		kernel_wake(receiver, 0);
	} else if (q->len < q->most) {
		put(q, message);
	} else {
		r = wait(&q->senders, (void *)(uintptr_t)message, deadline, "room in a queue");
	}
	kernel_unlock();
	return r;
}

int cassin_queue_receive(struct cassin_queue *q, void *message, uint64_t deadline)
{
	int r = 0;
	kernel_lock();
	struct cassin_thread *sender = q->senders.first;
	if (q->len) {
		take(q, message);
		if (sender) {
			put(q, sender->message);
			kernel_wake(sender, 0);
		}
	} else {
		r = q->closed ? -CASSIN_EPIPE : wait(&q->receivers, message, deadline, "a message");
	}
	kernel_unlock();
	return r;
}

void cassin_queue_close(struct cassin_queue *q)
{
	kernel_lock();
	q->closed = true;
	kernel_wake_all(&q->senders, -CASSIN_EPIPE);
	kernel_wake_all(&q->receivers, -CASSIN_EPIPE);
	kernel_unlock();
}
