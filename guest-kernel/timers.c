/* SPDX-License-Identifier: MIT */
#include "timers.h"

static bool before(const struct cassin_timer *a, const struct cassin_timer *b)
{
	return a->when != b->when ? a->when < b->when : a->order < b->order;
}

/* Makes the later of two trees the first child of the other, which it returns. */
static struct cassin_timer *meld(struct cassin_timer *a, struct cassin_timer *b)
{
	if (before(b, a)) {
		struct cassin_timer *t = a;
		a = b;
		b = t;
	}
	b->next = a->child;
	b->link = &a->child;
	if (b->next)
		b->next->link = &b->next;
	a->child = b;
	return a;
}

/* Melds siblings to one tree: in pairs from the left, then the pairs from the right. */
static struct cassin_timer *meld_all(struct cassin_timer *list)
{
	struct cassin_timer *pairs = NULL, *tree = NULL;
	while (list) {
		struct cassin_timer *a = list, *b = a->next;
		list = b ? b->next : NULL;
		if (b)
			a = meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct cassin_timer *a = pairs;
		pairs = a->next;
		tree = tree ? meld(a, tree) : a;
	}
	return tree;
}

static void set_first(struct timers *h, struct cassin_timer *t)
{
	h->first = t;
	if (t) {
		t->next = NULL;
		t->link = &h->first;
	}
}

void timers_add(struct timers *h, struct cassin_timer *t)
{
	t->child = NULL;
	t->order = h->added++;
	set_first(h, h->first ? meld(h->first, t) : t);
}

void timers_remove(struct timers *h, struct cassin_timer *t)
{
	struct cassin_timer *below = meld_all(t->child);
	if (t == h->first) {
		set_first(h, below);
	} else {
		*t->link = t->next;
		if (t->next)
			t->next->link = t->link;
		if (below)
			set_first(h, meld(h->first, below));
	}
	t->link = NULL;
}
