/* SPDX-License-Identifier: MIT */
/* Bytes through connections: RECV, SEND, SHUTDOWN and CLOSE, each direction in its order. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/container.h"
#include "device/host_ports.h"
#include "device/stream.h"
#include "guest/guest.h"

#define COPY_MOST 65536u /* of a SEND that needs no completion */

static struct stream *lookup_connection(struct guest *g, const struct request *request)
{
	struct stream *s = stream_lookup(g, request);
	return s && s->kind->read ? s : NULL;
}

/* ---- Receiving ---- */

static int32_t receive(struct stream *s, const struct request *request)
{
	struct iovec iov[STREAM_PIECES];
	int n = memory_span_for(&s->guest->memory, gva(request->addr), request->len, CASSIN_WRITE, iov, STREAM_PIECES);
	if (n < 0)
		return n;
	ssize_t got = s->kind->read(s, iov, n);
	if (got > 0)
		atomic_fetch_add_explicit(&s->guest->count.bytes_in, (uint64_t)got, memory_order_relaxed);
	return (int32_t)got;
}

/* What is left to be tried then: 0 or STREAM_READABLE. */
static unsigned serve_receivers(struct stream *s)
{
	while (s->receivers.first) {
		struct op *op = s->receivers.first;
		int32_t r = receive(s, &op->request);
		if (r == -EAGAIN)
			return 0;
		if (guest_starved(s->guest, r))
			return STREAM_READABLE;
		stream_finish(op, r);
		if (!work_goes_on(s->guest))
			return s->receivers.first ? STREAM_READABLE : 0;
	}
	return 0;
}

int32_t stream_recv(struct guest *g, const struct request *request)
{
	struct stream *s = lookup_connection(g, request);
	if (!s)
		return -EBADF;
	if (!request->len)
		return -EINVAL;
	if (memory_check_for(&g->memory, gva(request->addr), request->len, CASSIN_WRITE))
		return -EFAULT;
	int32_t r = s->receivers.first ? -EAGAIN : receive(s, request);
	if (r != -EAGAIN)
		return r;
	if (!stream_queue(s, &s->receivers, request))
		return -ENOMEM;
	s->kind->want(s, stream_wanted(s));
	return OP_PENDING;
}

/* ---- Sending ---- */

/* Sends what is left of [addr, addr+len) from *done on. 0: all of it; -EAGAIN; -EINTR: the rest is for later; -errno. */
static int send_guest(struct stream *s, uint64_t addr, uint32_t len, uint32_t *done)
{
	while (*done < len) {
		struct iovec iov[STREAM_PIECES];
		int n = memory_span_for(&s->guest->memory, gva(addr + *done), len - *done, CASSIN_READ, iov,
					STREAM_PIECES);
		if (n < 0)
			return n;
		ssize_t sent = s->kind->write(s, iov, n);
		if (sent < 0)
			return (int)sent;
		*done += (uint32_t)sent;
		atomic_fetch_add_explicit(&s->guest->count.bytes_out, (uint64_t)sent, memory_order_relaxed);
		if (*done < len && !work_goes_on(s->guest))
			return -EINTR;
	}
	return 0;
}

static int send_copy(struct stream *s, struct op *op)
{
	while (op->done < op->size) {
		struct iovec iov = {(char *)op->buffer + op->done, op->size - op->done};
		ssize_t sent = s->kind->write(s, &iov, 1);
		if (sent < 0)
			return (int)sent;
		op->done += (uint32_t)sent;
		atomic_fetch_add_explicit(&s->guest->count.bytes_out, (uint64_t)sent, memory_order_relaxed);
	}
	return 0;
}

/* Puts what is left of a SEND aside, so that the guest may reuse its buffer. */
static int keep_copy(struct guest *g, struct op *op, uint32_t done)
{
	uint32_t left = op->request.len - done;
	int r = stream_charge(g, left);
	if (r)
		return r;
	op->buffer = malloc(left);
	op->size = left;
	op->done = 0;
	if (op->buffer)
		r = memory_copyin(&g->memory, op->buffer, gva(op->request.addr + done), left);
	else
		stream_discharge(g, left);
	return op->buffer ? r : -ENOMEM;
}

int32_t stream_send(struct guest *g, const struct request *request)
{
	struct stream *s = lookup_connection(g, request);
	bool copies = request->flags & CASSIN_SQE_SKIP_SUCCESS;
	uint32_t done = g->submission.done; /* before there was no memory for the rest */
	if (!s)
		return -EBADF;
	if (copies && request->len > COPY_MOST)
		return -EINVAL;
	if (memory_check_for(&g->memory, gva(request->addr), request->len, CASSIN_READ))
		return -EFAULT;
	int sent = s->senders.first ? -EAGAIN : send_guest(s, request->addr, request->len, &done);
	if (done && guest_starved(g, sent))
		sent = -EINTR;
	if (sent != -EAGAIN && sent != -EINTR)
		return sent ? sent : (int32_t)request->len;
	struct op *op = stream_queue(s, &s->senders, request);
	g->submission.done = done; /* what was sent is not sent again */
	if (!op)
		return -ENOMEM;
	op->done = done;
	int r = copies && done < request->len ? keep_copy(g, op, done) : 0;
	if (r) {
		stream_unqueue(op);
		op_drop(op);
		return r;
	}
	if (sent == -EINTR)
		stream_later(s, STREAM_WRITABLE);
	else
		s->kind->want(s, stream_wanted(s));
	return OP_PENDING;
}

int32_t stream_shutdown(struct guest *g, const struct request *request)
{
	struct stream *s = lookup_connection(g, request);
	if (!s)
		return -EBADF;
	if (!s->senders.first)
		return s->kind->shutdown(s);
	return stream_queue(s, &s->senders, request) ? OP_PENDING : -ENOMEM;
}

/* The guest listens there no longer; nor does the host. */
static void listener_end(struct guest *g, struct stream *s)
{
	uint16_t port = listener_port(s);
	stream_remove(s);
	host_port_follow(g, port);
}

int32_t stream_close(struct guest *g, const struct request *request)
{
	struct stream *s = stream_lookup(g, request);
	if (!s)
		return -EBADF;
	if (s->kind->accept) {
		listener_end(g, s);
		return 0;
	}
	if (!s->senders.first) {
		stream_remove(s);
		return 0;
	}
	if (!stream_queue(s, &s->senders, request))
		return -ENOMEM;
	s->closing = true;
	while (s->receivers.first)
		stream_finish(s->receivers.first, -ECANCELED);
	return OP_PENDING;
}

/* What is left to be tried then: 0 or STREAM_WRITABLE. False: s is gone. */
static bool serve_senders(struct stream *s, unsigned *left)
{
	while (s->senders.first) {
		struct op *op = s->senders.first;
		int r = 0;
		switch (op->request.op) {
		case CASSIN_OP_SEND:
			r = op->buffer ? send_copy(s, op) : send_guest(s, op->request.addr, op->request.len, &op->done);
			*left = r == -EINTR ? STREAM_WRITABLE : 0;
			if (guest_starved(s->guest, r)) {
				*left = STREAM_WRITABLE;
				return true;
			}
			if (r == -EAGAIN || r == -EINTR)
				return true;
			stream_finish(op, r ? r : (int32_t)op->request.len);
			break;
		case CASSIN_OP_SHUTDOWN:
			stream_finish(op, s->kind->shutdown(s));
			break;
		default:
			stream_unqueue(op);
			stream_remove(s);
			op_complete(op, 0);
			return false;
		}
		*left = s->senders.first ? STREAM_WRITABLE : 0;
		if (!work_goes_on(s->guest))
			return true;
	}
	*left = 0;
	return true;
}

static void stream_try(struct stream *s, unsigned events)
{
	if (s->kind->accept) {
		s->kind->accept(s);
		return;
	}
	unsigned before = stream_wanted(s), unsent = 0;
	unsigned unread = events & STREAM_READABLE ? serve_receivers(s) : 0;
	if (events & STREAM_WRITABLE && !serve_senders(s, &unsent))
		return;
	if (unread | unsent) {
		stream_later(s, unread | unsent);
		return;
	}
	/* Interest in input is kept for the RECV that usually follows, until input comes that nobody asked for. */
	unsigned keep = events & ~before & STREAM_READABLE ? 0 : STREAM_READABLE & (before | events);
	s->kind->want(s, stream_wanted(s) | keep);
}

static void stream_work(struct work *w)
{
	struct stream *s = CONTAINER_OF(w, struct stream, work);
	unsigned events = s->events;
	if (guest_wakes_first(s->guest)) {
		stream_later(s, events);
		return;
	}
	s->events = 0;
	stream_try(s, events);
}

void stream_later(struct stream *s, unsigned events)
{
	s->events |= (uint8_t)events;
	s->work.fn = stream_work;
	work_later(s->guest, &s->work);
}

/* The loop would report an event that has to wait again and again: the second time, the stream is watched no longer until it was
 * tried. */
void stream_event(struct stream *s, unsigned events)
{
	struct guest *g = s->guest;
	if (work_queued(&s->work)) {
		s->events |= (uint8_t)events;
		s->kind->want(s, 0);
		return;
	}
	if (g->run == RUN_PASSAGE || guest_wakes_first(g) || !work_at_once(g)) {
		stream_later(s, events);
		return;
	}
	uint64_t began = guest_work_begin(g);
	stream_try(s, events);
	guest_worked(g, began);
}
