/* SPDX-License-Identifier: MIT */
#include "device/interest.h"

#include <stdlib.h>

#include "device/stream.h"
#include "guest/guest.h"

struct interest_handle {
	uv_poll_t uv;
	struct interest *owner; /* NULL: closing */
};

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

static void on_poll(uv_poll_t *uv, int status, int events)
{
	struct interest_handle *h = (struct interest_handle *)uv;
	struct interest *p = h->owner;
	unsigned ready = (events & UV_READABLE ? STREAM_READABLE : 0) | (events & UV_WRITABLE ? STREAM_WRITABLE : 0);
	if (!p)
		return;
	if (status < 0) { /* libuv has stopped watching; whoever reads or writes will see the error */
		ready = STREAM_READABLE | STREAM_WRITABLE;
		p->wanted = 0;
	}
	p->ready(p, ready);
}

bool interest_set(struct interest *p, struct guest *g, int fd, unsigned events)
{
	int uv_events = (events & STREAM_READABLE ? UV_READABLE : 0) | (events & STREAM_WRITABLE ? UV_WRITABLE : 0);
	if (p->wanted == events)
		return true;
	if (!p->handle) {
		struct interest_handle *h = calloc(1, sizeof *h);
		if (!h || uv_poll_init(&guest_worker(g)->loop, &h->uv, fd)) {
			free(h);
			return false;
		}
		h->owner = p;
		p->handle = h;
	}
	if (events ? uv_poll_start(&p->handle->uv, uv_events, on_poll) : uv_poll_stop(&p->handle->uv))
		return false;
	p->wanted = events;
	return true;
}

void interest_end(struct interest *p)
{
	if (!p->handle)
		return;
	p->handle->owner = NULL;
	uv_close((uv_handle_t *)&p->handle->uv, on_closed);
	p->handle = NULL;
	p->wanted = 0;
}
