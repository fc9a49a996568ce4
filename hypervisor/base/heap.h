/* SPDX-License-Identifier: MIT */
/*
 * A pairing heap (Fredman, Sedgewick, Sleator and Tarjan, 1986) of nodes that lie in what they order: nothing is allocated, so
 * nothing fails. Putting a node in takes constant time, taking the first or any other out logarithmic time on average. Pure.
 */
#ifndef HEAP_H
#define HEAP_H

#include <stdbool.h>
#include <stddef.h>

struct heap_node {
	struct heap_node *child, *sibling;
	struct heap_node *before; /* the parent or the elder sibling; of the first, itself; NULL: it is in no heap */
};

static inline bool heap_holds(const struct heap_node *node)
{
	return node->before;
}

/* Whether a goes before b. */
typedef bool heap_order_fn(const struct heap_node *a, const struct heap_node *b);

/* Puts a node that is in no heap into the one whose first node is `first` (NULL: it is empty). The new first node. */
struct heap_node *heap_put(struct heap_node *first, struct heap_node *node, heap_order_fn *precedes);
/* Takes a node out of that heap. The new first node, or NULL. */
struct heap_node *heap_take(struct heap_node *first, struct heap_node *node, heap_order_fn *precedes);

#endif
