/* SPDX-License-Identifier: MIT */
/* The handle table, and what waits on each handle. */
#include "device/stream_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/index.h"
#include "base/numbers.h"
#include "device/host_ports.h"
#include "device/stream.h"
#include "guest/guest.h"
#include "guest/template.h"

#define TABLE_FIRST 3u    /* places: what a block of the C library's holds at least */
#define STREAMS_PIECE 4u  /* handles closed, left or watched again in one piece, */
#define PLACES_PIECE 256u /* of so many places at most */
#define STREAM_COST 512u  /* of host memory: a handle with what it has besides bytes, */
#define PLACE_COST 9u     /* and a place for one: its address, and two bits (base/numbers.h) */

struct streams {
	struct stream **at;
	uint32_t size, open;
	struct numbers numbers; /* of the places that are taken */
	struct index listeners; /* by port */
	bool stopped;
};

/* ---- Host memory on a guest's account ---- */

int stream_charge(struct guest *g, size_t bytes)
{
	return memory_refused(&g->memory, account_charge(&g->account, ACCOUNT_STREAMS, bytes));
}

void stream_discharge(struct guest *g, size_t bytes)
{
	account_uncharge(&g->account, ACCOUNT_STREAMS, bytes);
}

struct account *stream_unread(struct guest *g)
{
	struct account *a = atomic_load(&g->unread);
	if (a || !(a = calloc(1, sizeof *a)))
		return a;
	account_init(a, g->host->pool, g->spec.memory);
	a->part = g->account.part;
	atomic_store(&g->unread, a);
	return a;
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
	size_t more = (size_t)(size - t->size) * PLACE_COST;
	int r = stream_charge(g, more);
	if (r)
		return r;
	struct stream **at = numbers_grow(&t->numbers, size) ? NULL : realloc(t->at, size * sizeof *at);
	if (!at) {
		stream_discharge(g, more);
		return -ENOMEM;
	}
	memset(at + t->size, 0, (size - t->size) * sizeof *at);
	t->at = at;
	t->size = size;
	return 0;
}

struct stream *listener_find(struct guest *g, uint16_t port)
{
	return g->streams ? listener_of(index_find(&g->streams->listeners, port)) : NULL;
}

/* ---- Entering and leaving it ---- */

int32_t stream_add_at(struct guest *g, struct stream *s, const struct stream_kind *kind, int32_t number)
{
	int r = stream_room(g);
	if (!r)
		r = table_grow(g, (uint32_t)number);
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
	numbers_take(&t->numbers, (uint32_t)number);
	if (kind->accept)
		index_add(&t->listeners, listener_entry(s), listener_port(s));
	return number;
}

int32_t stream_add(struct guest *g, struct stream *s, const struct stream_kind *kind)
{
	return stream_add_at(g, s, kind, g->streams ? (int32_t)numbers_lowest(&g->streams->numbers) : 0);
}

static void table_take_out(struct stream *s)
{
	struct streams *t = s->guest->streams;
	uint32_t n = (uint32_t)s->number;
	t->at[n] = NULL;
	t->open--;
	stream_discharge(s->guest, STREAM_COST);
	numbers_give(&t->numbers, n);
	work_drop(s->guest, &s->work);
	if (s->kind->accept)
		index_remove(&t->listeners, listener_entry(s));
}

struct stream *stream_lookup(struct guest *g, const struct request *request)
{
	struct streams *t = g->streams;
	if (!t || request->handle < 0 || (uint32_t)request->handle >= t->size)
		return NULL;
	struct stream *s = t->at[request->handle];
	return s && !s->connecting && !s->closing ? s : NULL;
}

/* ---- Queues ---- */

static bool receives(const struct op *op)
{
	return op->request.op == CASSIN_OP_RECV || op->request.op == CASSIN_OP_ACCEPT;
}

void stream_unqueue(struct op *op)
{
	struct stream *s = op->device;
	op_dequeue(receives(op) ? &s->receivers : &s->senders, op);
	if (op->request.op == CASSIN_OP_CLOSE)
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

void stream_enqueue(struct stream *s, struct op_queue *q, struct op *op)
{
	op->cancel = cancel_op;
	op->device = s;
	op_enqueue(q, op);
}

struct op *stream_queue(struct stream *s, struct op_queue *q, const struct request *request)
{
	struct op *op = op_new(s->guest, request, cancel_op);
	if (op)
		stream_enqueue(s, q, op);
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
		bool close = op->request.op == CASSIN_OP_CLOSE;
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

int streams_adopt(struct guest *g, uint16_t guest_port, int fd, const char *greeting)
{
	struct stream *s = listener_find(g, guest_port);
	if (!port_hopeful(g, guest_port))
		return -ECONNREFUSED;
	return s ? listener_push(s, fd, greeting, NULL) : -EAGAIN;
}

/* Visits the open handles among the next few places, which the visit may close. True: there are more. */
static bool visit_few(struct streams *t, uint32_t *at, void (*visit)(struct stream *s))
{
	uint32_t n = 0;
	for (uint32_t looked = 0; *at < t->size && n < STREAMS_PIECE && looked < PLACES_PIECE; looked++, ++*at) {
		if (!t->at[*at])
			continue;
		visit(t->at[*at]);
		n++;
	}
	return *at < t->size;
}

bool streams_end(struct guest *g, uint32_t *at)
{
	struct streams *t = g->streams;
	if (!t)
		return false;
	if (visit_few(t, at, stream_remove))
		return true;
	stream_discharge(g, (size_t)t->size * PLACE_COST);
	free(t->at);
	numbers_free(&t->numbers);
	index_clear(&t->listeners);
	free(t);
	g->streams = NULL;
	return false;
}

int streams_freeze(struct guest *g, struct template *t, uint32_t *at)
{
	const struct streams *all = g->streams;
	if (!t->listeners)
		t->listeners = calloc(all ? all->open + 1 : 1, sizeof *t->listeners);
	if (!t->listeners)
		return -ENOMEM;
	uint32_t end = *at + PLACES_PIECE;
	for (; all && *at < all->size && *at < end; ++*at) {
		const struct stream *s = all->at[*at];
		if (s && !s->kind->accept)
			return -EBUSY;
		if (s)
			t->listeners[t->nlisteners++] = (struct frozen_listener){s->number, listener_port(s)};
	}
	return all && *at < all->size;
}

static void detach(struct stream *s)
{
	if (s->kind->detach)
		s->kind->detach(s);
}

static bool leave(struct guest *g, uint32_t *at)
{
	return g->streams && visit_few(g->streams, at, detach);
}

static void want(struct stream *s)
{
	if (stream_wanted(s))
		s->kind->want(s, stream_wanted(s));
}

static bool arrive(struct guest *g, uint32_t *at)
{
	return g->streams && visit_few(g->streams, at, want);
}

static void stop_accepting(struct guest *g)
{
	struct streams *t = g->streams;
	if (!t)
		return;
	t->stopped = true;
	for (uint32_t i = 0; i < t->size; i++) {
		struct stream *s = t->at[i];
		if (!s || !s->kind->accept)
			continue;
		while (s->receivers.first)
			stream_finish(s->receivers.first, -ECANCELED);
		s->kind->detach(s); /* its port of the host may be closed */
	}
}

/* Whoever waits to accept does it there from now on. */
static void port_listens(struct guest *g, uint16_t port)
{
	struct stream *s = listener_find(g, port);
	if (s && s->receivers.first)
		s->kind->accept(s);
}

static void stop(struct guest *g)
{
	stop_accepting(g);
	host_ports_follow(g);
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
	.first_wait = host_ports_follow,
	.port_listens = port_listens,
};
