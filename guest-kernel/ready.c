/* SPDX-License-Identifier: MIT */
#include "kernel_private.h"

void waiters_append(struct cassin_waiters *list, struct cassin_thread *t)
{
	t->list = list;
	t->next = NULL;
	t->prev = list->last;
	if (t->prev)
		t->prev->next = t;
	else
		list->first = t;
	list->last = t;
}

void waiters_insert(struct cassin_waiters *list, struct cassin_thread *t)
{
	struct cassin_thread *before = list->last;
	while (before && before->priority < t->priority)
		before = before->prev;
	if (before == list->last) {
		waiters_append(list, t);
		return;
	}
	t->list = list;
	t->prev = before;
	t->next = before ? before->next : list->first;
	t->next->prev = t;
	if (before)
		before->next = t;
	else
		list->first = t;
}

void waiters_remove(struct cassin_thread *t)
{
	if (t->prev)
		t->prev->next = t->next;
	else
		t->list->first = t->next;
	if (t->next)
		t->next->prev = t->prev;
	else
		t->list->last = t->prev;
	t->list = NULL;
}

void ready_put(struct ready *r, struct cassin_thread *t)
{
	waiters_append(&r->level[t->priority], t);
	r->filled |= UINT32_C(1) << t->priority;
}

void ready_remove(struct ready *r, struct cassin_thread *t)
{
	struct cassin_waiters *level = t->list;
	waiters_remove(t);
	if (!level->first)
		r->filled &= ~(UINT32_C(1) << (level - r->level));
}

struct cassin_thread *ready_take(struct ready *r)
{
	int top = ready_top(r);
	if (top < 0)
		return NULL;
	struct cassin_thread *t = r->level[top].first;
	ready_remove(r, t);
	return t;
}
