/* SPDX-License-Identifier: MIT */
/*
 * An index by number: finds what has a key in constant time, however many there are and whoever chose the keys (by hash_keyed(),
 * which no guest can foresee). Several entries may have one key; the oldest of them is found. Entries lie in what they
 * find. Owned by one thread.
 */
#ifndef INDEX_H
#define INDEX_H

#include <stddef.h>
#include <stdint.h>

#define INDEX_FEW 4u /* keys need no memory of their own */

struct indexed {
	uint64_t key;
	struct indexed *next, *before; /* a circle of those with this key, in the order in which they came */
	struct indexed *chain;         /* of the oldest one: those of the other keys that share its place */
};

struct index {
	union {
		struct indexed *few; /* the only chain, if bits is 0 */
		struct indexed **at; /* 2^bits chains, malloc'd, four for each key at most */
	};
	unsigned bits;
	uint32_t keys;
};

/* An index that is all zero is empty. Without memory to grow it gets slower, and stays right. */
void index_add(struct index *x, struct indexed *entry, uint64_t key);
void index_remove(struct index *x, struct indexed *entry);
/* The oldest entry with this key; NULL: none. */
struct indexed *index_find(const struct index *x, uint64_t key);
/* Bytes that it has allocated; and by how many more one more key may have it grow. */
size_t index_bytes(const struct index *x);
size_t index_growth(const struct index *x);
/* Frees what it has allocated; it is empty then, and its entries are nobody's. */
void index_clear(struct index *x);

#endif
