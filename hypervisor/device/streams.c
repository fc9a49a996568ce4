/* SPDX-License-Identifier: MIT */
/* The handle table, and what waits on each handle. */
#include "device/streams.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "device/stream.h"
#include "guest/guest.h"
#include "guest/template.h"

#define TABLE_FIRST 8u
#define STREAM_COST 512u /* of host memory: a handle with what it has besides bytes */
#define LISTENER_BITS_FIRST 2u

struct streams {
	struct stream **at;
	uint32_t size, lowest; /* no free place below `lowest` */
	uint32_t open;
	bool stopped;
	struct stream **listeners; /* by port, open addressing, at most half full; NULL: none was ever open */
	uint32_t nlisteners;
	unsigned listener_bits; /* there are 2^bits places */
};

/* ---- Host memory on a guest's account ---- */

int stream_charge(struct guest *g, size_t bytes)
{
	return account_charge(&g->account, ACCOUNT_STREAMS, bytes);
}

void stream_discharge(struct guest *g, size_t bytes)
{
	account_uncharge(&g->account, ACCOUNT_STREAMS, bytes);
}

/* ---- The table ---- */

int stream_room(struct guest *g)
{
	return g->streams && g->streams->open >= g->spec.streams ? -EMFILE : 0;
}

/* Makes a place of this number. */
static int table_grow(struct guest *g, uint32_t number)
{
	struct streams *t = g->streams;
	if (!t) {
		t = g->streams = calloc(1, sizeof *t);
		if (!t)
			return -ENOMEM;
		t->stopped = g->stopping;
	}
	if (number < t->size)
		return 0;
	uint32_t size = t->size ? t->size * 2 : TABLE_FIRST;
	while (size <= number)
		size *= 2;
	struct stream **at = realloc(t->at, size * sizeof *at);
	if (!at)
		return -ENOMEM;
	memset(at + t->size, 0, (size - t->size) * sizeof *at);
	t->at = at;
	t->size = size;
	return 0;
}

/* ---- Listeners by their ports ---- */

static struct stream **listener_slot(const struct streams *t, uint16_t port)
{
	uint32_t i = hash_keyed(port, t->listener_bits), mask = (UINT32_C(1) << t->listener_bits) - 1;
	while (t->listeners[i] && listener_port(t->listeners[i]) != port)
		i = (i + 1) & mask;
	return &t->listeners[i];
}

static int listeners_grow(struct streams *t)
{
	uint32_t size = t->listeners ? UINT32_C(1) << t->listener_bits : 0;
	if (t->nlisteners * 2 < size)
		return 0;
	struct streams bigger = {.listener_bits = size ? t->listener_bits + 1 : LISTENER_BITS_FIRST};
	bigger.listeners = calloc((size_t)1 << bigger.listener_bits, sizeof(struct stream *));
	if (!bigger.listeners)
		return -ENOMEM;
	for (uint32_t i = 0; i < size; i++) {
		if (t->listeners[i])
			*listener_slot(&bigger, listener_port(t->listeners[i])) = t->listeners[i];
	}
	free(t->listeners);
	t->listeners = bigger.listeners;
	t->listener_bits = bigger.listener_bits;
	return 0;
}

/* Closes the gap, so that what lies behind it is still found. */
static void listener_take_out(struct streams *t, struct stream *s)
{
	struct stream **gap = listener_slot(t, listener_port(s));
	uint32_t mask = (UINT32_C(1) << t->listener_bits) - 1, i = (uint32_t)(gap - t->listeners);
	t->nlisteners--;
	*gap = NULL;
	for (i = (i + 1) & mask; t->listeners[i]; i = (i + 1) & mask) {
		struct stream *moved = t->listeners[i];
		t->listeners[i] = NULL;
		*listener_slot(t, listener_port(moved)) = moved;
	}
}

struct stream *listener_find(struct guest *g, uint16_t port)
{
	struct streams *t = g->streams;
	return t && t->listeners ? *listener_slot(t, port) : NULL;
}

/* ---- Entering and leaving it ---- */

int32_t stream_add_at(struct guest *g, struct stream *s, const struct stream_kind *kind, int32_t number)
{
	int r = stream_room(g);
	if (!r)
		r = table_grow(g, (uint32_t)number);
	if (!r && kind->accept)
		r = listeners_grow(g->streams);
	if (!r)
		r = stream_charge(g, STREAM_COST);
	if (r)
		return r;
	struct streams *t = g->streams;
	s->kind = kind;
	s->guest = g;
	s->number = number;
	op_queue_init(&s->receivers);
	op_queue_init(&s->senders);
	t->at[number] = s;
	t->open++;
	if (kind->accept) {
		*listener_slot(t, listener_port(s)) = s;
		t->nlisteners++;
	}
	while (t->lowest < t->size && t->at[t->lowest])
		t->lowest++;
	return number;
}

int32_t stream_add(struct guest *g, struct stream *s, const struct stream_kind *kind)
{
	return stream_add_at(g, s, kind, g->streams ? (int32_t)g->streams->lowest : 0);
}

static void table_take_out(struct stream *s)
{
	struct streams *t = s->guest->streams;
	uint32_t n = (uint32_t)s->number;
	t->at[n] = NULL;
	t->open--;
	stream_discharge(s->guest, STREAM_COST);
	if (s->kind->accept)
		listener_take_out(t, s);
	if (n < t->lowest)
		t->lowest = n;
}

struct stream *stream_lookup(struct guest *g, const struct cassin_sqe *sqe)
{
	struct streams *t = g->streams;
	if (!t || sqe->handle < 0 || (uint32_t)sqe->handle >= t->size)
		return NULL;
	struct stream *s = t->at[sqe->handle];
	return s && !s->connecting && !s->closing ? s : NULL;
}

/* ---- Queues ---- */

static bool receives(const struct op *op)
{
	return op->sqe.op == CASSIN_OP_RECV || op->sqe.op == CASSIN_OP_ACCEPT;
}

void stream_unqueue(struct op *op)
{
	struct stream *s = op->device;
	op_dequeue(receives(op) ? &s->receivers : &s->senders, op);
	if (op->sqe.op == CASSIN_OP_CLOSE)
		s->closing = false;
	if (op->buffer)
		stream_discharge(op->guest, op->size);
}

void stream_finish(struct op *op, int32_t result)
{
	stream_unqueue(op);
	op_complete(op, result);
}

/* A CONNECT that is given up takes its stream with it. */
static void cancel_op(struct op *op)
{
	struct stream *s = op->device;
	stream_unqueue(op);
	if (s->connecting) {
		table_take_out(s);
		s->kind->close(s);
	}
}

struct op *stream_queue(struct stream *s, struct op_queue *q, const struct cassin_sqe *sqe)
{
	struct op *op = op_new(s->guest, sqe, cancel_op);
	if (!op)
		return NULL;
	op->device = s;
	op_enqueue(q, op);
	return op;
}

unsigned stream_wanted(const struct stream *s)
{
	return (s->receivers.first ? STREAM_READABLE : 0) | (s->senders.first ? STREAM_WRITABLE : 0);
}

void stream_remove(struct stream *s)
{
	while (s->receivers.first)
		stream_finish(s->receivers.first, -ECANCELED);
	while (s->senders.first)
		stream_finish(s->senders.first, -ECANCELED);
	table_take_out(s);
	s->kind->close(s);
}

void stream_connected(struct stream *s, int result)
{
	struct op *op = s->senders.first;
	int32_t number = s->number;
	stream_unqueue(op);
	if (result) {
		table_take_out(s);
		s->kind->close(s);
	} else {
		s->connecting = false;
	}
	op_complete(op, result ? result : number);
}

void stream_fail(struct stream *s, int result)
{
	if (s->connecting) {
		stream_connected(s, result);
		return;
	}
	while (s->receivers.first)
		stream_finish(s->receivers.first, result);
	while (s->senders.first) {
		struct op *op = s->senders.first;
		bool close = op->sqe.op == CASSIN_OP_CLOSE;
		stream_finish(op, close ? 0 : result);
		if (close) {
			stream_remove(s);
			return;
		}
	}
}

/* ---- All of a guest's ---- */

bool streams_stopped(const struct guest *g)
{
	return g->streams && g->streams->stopped;
}

int streams_adopt(struct guest *g, uint16_t guest_port, int fd)
{
	struct stream *s = listener_find(g, guest_port);
	return s && !streams_stopped(g) ? listener_push(s, fd, NULL) : -ECONNREFUSED;
}

void streams_end(struct guest *g)
{
	struct streams *t = g->streams;
	if (!t)
		return;
	for (uint32_t i = 0; i < t->size; i++) {
		if (t->at[i])
			stream_remove(t->at[i]);
	}
	free(t->at);
	free(t->listeners);
	free(t);
	g->streams = NULL;
}

int streams_freeze(struct guest *g, struct frozen_listener **out, size_t *n)
{
	struct streams *t = g->streams;
	*n = 0;
	*out = calloc(t ? t->open + 1 : 1, sizeof **out);
	if (!*out)
		return -ENOMEM;
	for (uint32_t i = 0; t && i < t->size; i++) {
		if (!t->at[i])
			continue;
		if (!t->at[i]->kind->accept)
			return -EBUSY;
		(*out)[(*n)++] = (struct frozen_listener){(int32_t)i, listener_port(t->at[i])};
	}
	return 0;
}

static void leave(struct guest *g)
{
	struct streams *t = g->streams;
	for (uint32_t i = 0; t && i < t->size; i++) {
		if (t->at[i] && t->at[i]->kind->detach)
			t->at[i]->kind->detach(t->at[i]);
	}
}

static void arrive(struct guest *g)
{
	struct streams *t = g->streams;
	for (uint32_t i = 0; t && i < t->size; i++) {
		if (t->at[i] && stream_wanted(t->at[i]))
			t->at[i]->kind->want(t->at[i], stream_wanted(t->at[i]));
	}
}

static void stop(struct guest *g)
{
	struct streams *t = g->streams;
	if (!t)
		return;
	t->stopped = true;
	for (uint32_t i = 0; i < t->size; i++) {
		struct stream *s = t->at[i];
		while (s && s->kind->accept && s->receivers.first)
			stream_finish(s->receivers.first, -ECANCELED);
	}
}

static const struct device_operation operations[] = {
	{CASSIN_OP_LISTEN, stream_listen}, {CASSIN_OP_ACCEPT, stream_accept}, {CASSIN_OP_CONNECT, stream_connect},
	{CASSIN_OP_RECV, stream_recv},     {CASSIN_OP_SEND, stream_send},     {CASSIN_OP_SHUTDOWN, stream_shutdown},
	{CASSIN_OP_CLOSE, stream_close},
};

const struct device streams_device = {
	.operations = operations,
	.noperations = sizeof operations / sizeof *operations,
	.end = streams_end,
	.leave = leave,
	.arrive = arrive,
	.stop = stop,
};
