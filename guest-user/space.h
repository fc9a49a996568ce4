/* SPDX-License-Identifier: MIT */
/* A process's memory: pieces of the kernel's heap that are mapped in a space of its own. */
#ifndef USER_SPACE_H
#define USER_SPACE_H

#include <stddef.h>
#include <stdint.h>

struct piece;

struct space {
	uint64_t number;
	struct piece *pieces;
	uint64_t pages, most;
	uint64_t heap_end, heap_mapped; /* what sbrk moves, and the page it has reached */
};

/* An empty one for at most so many pages. 0, -CASSIN_ENOMEM. */
int space_make(struct space *s, uint64_t most);
/* Nobody runs in it. */
void space_free(struct space *s);
/* Zeroed pages from [va, va + size) outwards; where the kernel has the first byte of `va` comes in *at. Nothing is
 * there yet. 0, -CASSIN_ENOMEM: the heap is full, or that would be too many. */
int space_add(struct space *s, uint64_t va, uint64_t size, uint64_t rights, uint8_t **at);
/* The only doors to a program's memory: they look at every page's rights. 0, -CASSIN_EFAULT; then some bytes may have been
 * copied. */
int space_read(const struct space *s, void *to, uint64_t va, size_t len);
int space_write(const struct space *s, uint64_t va, const void *from, size_t len);
/* Moves the end of the heap up. Where it was, -CASSIN_ENOMEM. */
int64_t space_grow(struct space *s, uint64_t bytes);

#endif
