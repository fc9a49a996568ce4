/* SPDX-License-Identifier: MIT */
#include "waiting.h"

#define RETRY_MS 100
#define CHANGED_MS 5 /* after guests have ended: others may be about to */

static void try_head(struct daemon *d)
{
	struct waiter *head = d->waiting.first;
	if (!head || head->busy || atomic_load(&d->stopping))
		return;
	head->busy = true;
	d->waiting.changed = false;
	head->try(head);
}

static void on_timer(uv_timer_t *timer)
{
	try_head(timer->data);
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
	while (*link)
		link = &(*link)->next;
	*link = w;
	w->next = NULL;
	try_head(d);
}

void waiting_tried(struct daemon *d, struct waiter *w)
{
	w->busy = false;
	d->waiting.is_short = true;
	if (!atomic_load(&d->stopping))
		uv_timer_start(&d->waiting.timer, on_timer, d->waiting.changed ? CHANGED_MS : RETRY_MS, 0);
}

void waiting_leave(struct daemon *d, struct waiter *w)
{
	struct waiter **link = &d->waiting.first;
	while (*link != w)
		link = &(*link)->next;
	bool first = link == &d->waiting.first;
	*link = w->next;
	w->busy = false;
	if (!first)
		return;
	d->waiting.is_short = d->waiting.is_short && d->waiting.first; /* for the next too, as far as is known */
	try_head(d);
}

bool waiting_short(const struct daemon *d)
{
	return d->waiting.first && d->waiting.is_short;
}

void waiting_changed(struct daemon *d)
{
	struct waiter *head = d->waiting.first;
	if (!head || d->waiting.changed || atomic_load(&d->stopping))
		return;
	d->waiting.changed = true;
	if (!head->busy)
		uv_timer_start(&d->waiting.timer, on_timer, CHANGED_MS, 0);
}

bool waiting_cancel(struct daemon *d, const char *name)
{
	for (struct waiter *w = d->waiting.first; w; w = w->next)
		if (w->cancel(w, name))
			return true;
	return false;
}
