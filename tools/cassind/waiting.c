/* SPDX-License-Identifier: MIT */
#include "waiting.h"

#include <string.h>

#define RETRY_MS 100
#define CHANGED_MS 5 /* after guests have ended: others may be about to */

static void try(struct daemon *d, struct waiter *w)
{
	if (!w->head || w->busy || atomic_load(&d->stopping))
		return;
	w->busy = true;
	w->changes = d->waiting.changes;
	w->try(w);
}

/* The head of each domain, but none behind one that lacks a place: it would take that. */
static void try_heads(struct daemon *d)
{
	bool blocked = false;
	for (struct waiter *w = d->waiting.first, *next; w && !blocked; w = next) {
		next = w->next;
		blocked = w->head && w->lacks == LACKS_PLACES;
		try(d, w);
	}
}

static void on_timer(uv_timer_t *timer)
{
	try_heads(timer->data);
}

void waiting_init(struct daemon *d)
{
	uv_timer_init(&d->loop, &d->waiting.timer);
	d->waiting.timer.data = d;
}

void waiting_stop(struct daemon *d)
{
	uv_close((uv_handle_t *)&d->waiting.timer, NULL);
}

void waiting_join(struct daemon *d, struct waiter *w)
{
	struct waiter **link = &d->waiting.first;
	bool blocked = false;
	w->head = true;
	for (; *link; link = &(*link)->next) {
		w->head &= strcmp((*link)->domain, w->domain) != 0;
		blocked |= (*link)->head && (*link)->lacks == LACKS_PLACES;
	}
	*link = w;
	w->next = NULL;
	w->lacks = LACKS_NOTHING;
	if (!blocked)
		try(d, w);
}

/* Never later than it is due already. */
static void try_again(struct daemon *d, uint64_t ms)
{
	uv_timer_t *timer = &d->waiting.timer;
	if (!atomic_load(&d->stopping) && (!uv_is_active((uv_handle_t *)timer) || uv_timer_get_due_in(timer) > ms))
		uv_timer_start(timer, on_timer, ms, 0);
}

void waiting_tried(struct daemon *d, struct waiter *w, enum waiter_lacks what)
{
	w->busy = false;
	w->lacks = what;
	try_again(d, w->changes != d->waiting.changes ? CHANGED_MS : RETRY_MS);
}

void waiting_leave(struct daemon *d, struct waiter *w)
{
	struct waiter **link = &d->waiting.first, *heir;
	while (*link != w)
		link = &(*link)->next;
	*link = heir = w->next;
	w->busy = false;
	if (!w->head)
		return;
	while (heir && strcmp(heir->domain, w->domain) != 0)
		heir = heir->next;
	if (heir) {
		heir->head = true;
		heir->lacks = w->lacks; /* as far as is known */
	}
	try_heads(d);
}

bool waiting_short(const struct daemon *d, const char *domain)
{
	for (const struct waiter *w = d->waiting.first; w; w = w->next)
		if (w->head && (w->lacks == LACKS_PLACES ||
				(w->lacks == LACKS_MEMORY && !strcmp(w->domain, domain ? domain : "default"))))
			return true;
	return false;
}

void waiting_changed(struct daemon *d)
{
	d->waiting.changes++;
	if (d->waiting.first)
		try_again(d, CHANGED_MS);
}

bool waiting_cancel(struct daemon *d, const char *name)
{
	for (struct waiter *w = d->waiting.first; w; w = w->next)
		if (w->cancel(w, name))
			return true;
	return false;
}
