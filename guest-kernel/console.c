/* SPDX-License-Identifier: MIT */
/*
 * One read of the console at a time, started when a thread wants a line or the end of the input is watched for; what it
 * brings is kept until it is asked for.
 */
#include "kernel_private.h"

static void arrived(struct operation *op);

static struct {
	char bytes[CASSIN_LINE_MAX];
	uint32_t head, len; /* what has come and was not taken */
	bool reading, ended, watched;
	int error;
	struct operation read;
	struct cassin_waiters readers;
} console = {.read = {.finished = arrived}};

/* False: the hypervisor takes no submission now. Nothing is moved under a read that is under way. */
static bool read_on(void)
{
	if (console.reading || console.ended)
		return true;
	memmove(console.bytes, console.bytes + console.head, console.len);
	console.head = 0;
	struct cassin_sqe sqe = {
		.op = CASSIN_OP_CONSOLE_READ,
		.addr = (uint64_t)console.bytes + console.len,
		.len = CASSIN_LINE_MAX - console.len,
	};
	if (sqe.len)
		console.reading = kernel_submit(&sqe, &console.read);
	return console.reading || !sqe.len;
}

static void arrived(struct operation *op)
{
	console.reading = false;
	if (op->result > 0)
		console.len += (uint32_t)op->result;
	else
		console.ended = true;
	if (op->result < 0)
		console.error = op->result;
	kernel_wake_all(&console.readers, 0);
	if (!console.watched)
		return;
	if (console.ended)
		cassin_stop(0);
	else
		read_on();
}

/* Bytes that a reader with so much room gets now; 0: it must wait. */
static uint32_t ready_bytes(uint32_t size)
{
	const char *from = console.bytes + console.head, *newline = memchr(from, '\n', console.len);
	uint32_t n = newline ? (uint32_t)(newline - from) + 1 : console.len;
	if (!newline && !console.ended && console.len < size && console.len < CASSIN_LINE_MAX)
		return 0;
	return n < size ? n : size;
}

static int32_t take(char *to, uint32_t n)
{
	memcpy(to, console.bytes + console.head, n);
	console.head += n;
	console.len -= n;
	return (int32_t)n;
}

int32_t cassin_console_line(char *to, uint32_t size, uint64_t deadline)
{
	int32_t r = 0;
	uint32_t n = 0;
	if (!size)
		return -CASSIN_EINVAL;
	kernel_lock();
	while (!r && !(n = ready_bytes(size)) && !console.ended)
		r = read_on() ? kernel_block(&console.readers, deadline, "console input") : -CASSIN_EBUSY;
	if (!r)
		r = n ? take(to, n) : console.error;
	kernel_unlock();
	return r;
}

void cassin_stop_at_console_end(void)
{
	kernel_lock();
	console.watched = true;
	if (console.ended)
		cassin_stop(0);
	else
		read_on();
	kernel_unlock();
}
