/* SPDX-License-Identifier: MIT */
/* New handles: CONNECT, LISTEN, ACCEPT. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "device/host_ports.h"
#include "device/stream.h"
#include "guest/guest.h"

/* ---- Connecting ---- */

/* "NAME:PORT". */
static int connect_guest(struct guest *g, char *text, struct stream **out)
{
	char *colon = strrchr(text, ':'), *end;
	if (!colon)
		return -ENOENT;
	*colon = 0;
	unsigned long port = strtoul(colon + 1, &end, 10);
	if (colon[1] < '0' || colon[1] > '9' || *end || !port || port > UINT16_MAX || !cassin_name_valid(text))
		return -ENOENT;
	return pipe_connect(g, text, (uint16_t)port, out);
}

/* Nobody hears of a connection for which there is no memory: what takes some comes first. */
static int32_t connect_with(struct guest *g, struct op *op, char *text)
{
	struct stream *s = NULL;
	bool done = false;
	const struct cassin_guest_connect *c = NULL;
	for (size_t i = 0; i < g->spec.nconnects && !c; i++) {
		if (strcmp(g->spec.connects[i].name, text) == 0)
			c = &g->spec.connects[i];
	}
	int r = c ? socket_connect(g, c->target, &s, &done) : connect_guest(g, text, &s);
	if (r || done) {
		op_drop(op);
		return r ? r : s->number;
	}
	s->connecting = true;
	stream_enqueue(s, &s->senders, op);
	s->kind->want(s, STREAM_WRITABLE);
	return OP_PENDING;
}

int32_t stream_connect(struct guest *g, const struct request *request)
{
	char text[CASSIN_NAME_MAX + 8];
	if (request->len >= sizeof text)
		return -ENOENT;
	int r = memory_copyin(&g->memory, text, gva(request->addr), request->len);
	text[request->len] = 0;
	if (!r)
		r = stream_room(g);
	if (r)
		return r;
	struct op *op = op_new(g, request, NULL);
	return op ? connect_with(g, op, text) : -ENOMEM;
}

/* ---- Listening ---- */

int32_t stream_listen(struct guest *g, const struct request *request)
{
	if (!request->offset || request->offset > UINT16_MAX)
		return -EINVAL;
	if (listener_find(g, (uint16_t)request->offset))
		return -EADDRINUSE;
	struct stream *s = listener_new(g, (uint16_t)request->offset);
	if (!s)
		return -ENOMEM;
	int32_t r = stream_add(g, s, &listener_kind);
	if (r < 0)
		listener_kind.close(s);
	else
		host_port_follow(g, (uint16_t)request->offset);
	return r;
}

int32_t stream_accept(struct guest *g, const struct request *request)
{
	struct stream *s = stream_lookup(g, request);
	if (!s || !s->kind->accept)
		return -EBADF;
	if (streams_stopped(g))
		return -ECANCELED;
	struct op *op = stream_queue(s, &s->receivers, request);
	if (!op)
		return -ENOMEM;
	s->kind->accept(s);
	return OP_PENDING;
}
