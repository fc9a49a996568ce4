/* SPDX-License-Identifier: MIT */
#include "base/heap.h"

static struct heap_node *meld(struct heap_node *a, struct heap_node *b, heap_order_fn *precedes)
{
	if (!a || !b)
		return a ? a : b;
	if (precedes(b, a)) {
		struct heap_node *swap = a;
		a = b;
		b = swap;
	}
	b->sibling = a->child;
	if (b->sibling)
		b->sibling->before = b;
	b->before = a;
	a->child = b;
	return a;
}

static struct heap_node *begin_with(struct heap_node *first)
{
	if (first)
		first->before = first;
	return first;
}

/* Melds the children of a heap whose root goes: in pairs from the left, then all from the right. */
static struct heap_node *meld_children(struct heap_node *child, heap_order_fn *precedes)
{
	struct heap_node *pairs = NULL, *heap = NULL;
	while (child) {
		struct heap_node *a = child, *b = a->sibling;
		child = b ? b->sibling : NULL;
		a->sibling = a->before = NULL;
		if (b)
			b->sibling = b->before = NULL;
		a = meld(a, b, precedes);
		a->sibling = pairs;
		pairs = a;
	}
	while (pairs) {
		struct heap_node *next = pairs->sibling;
		pairs->sibling = NULL;
		heap = meld(heap, pairs, precedes);
		pairs = next;
	}
	return heap;
}

struct heap_node *heap_put(struct heap_node *first, struct heap_node *node, heap_order_fn *precedes)
{
	node->child = node->sibling = NULL;
	return begin_with(meld(first, node, precedes));
}

struct heap_node *heap_take(struct heap_node *first, struct heap_node *node, heap_order_fn *precedes)
{
	struct heap_node *rest = meld_children(node->child, precedes);
	if (node == first) {
		first = rest;
	} else {
		if (node->before->child == node)
			node->before->child = node->sibling;
		else
			node->before->sibling = node->sibling;
		if (node->sibling)
			node->sibling->before = node->before;
		first = meld(first, rest, precedes);
	}
	node->child = node->sibling = node->before = NULL;
	return begin_with(first);
}
