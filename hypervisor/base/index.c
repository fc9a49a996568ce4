/* SPDX-License-Identifier: MIT */
#include "base/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define FIRST_BITS 3u

/* Where the chain of a key begins. */
static struct indexed **place_of(const struct index *x, uint64_t key)
{
	return x->bits ? &x->at[hash_keyed(key, x->bits)] : (struct indexed **)&x->few;
}

/* What leads to the oldest entry with this key, or to the end of its chain. */
static struct indexed **find(const struct index *x, uint64_t key)
{
	struct indexed **link = place_of(x, key);
	while (*link && (*link)->key != key)
		link = &(*link)->chain;
	return link;
}

static void chain_put(struct index *x, struct indexed *entry)
{
	struct indexed **place = place_of(x, entry->key);
	entry->chain = *place;
	*place = entry;
}

static void move_all(struct index *to, struct indexed *chain)
{
	while (chain) {
		struct indexed *entry = chain;
		chain = entry->chain;
		chain_put(to, entry);
	}
}

/* Moves all entries to 2^bits places. Without memory they stay where they are. */
static void resize(struct index *x, unsigned bits)
{
	struct index was = *x;
	struct indexed **at = bits ? calloc(UINT32_C(1) << bits, sizeof *at) : NULL;
	if (bits && !at)
		return;
	x->bits = bits;
	x->at = at;
	if (!was.bits) {
		move_all(x, was.few);
		return;
	}
	for (uint32_t i = 0; i < UINT32_C(1) << was.bits; i++)
		move_all(x, was.at[i]);
	free(was.at);
}

/* As many as one more key takes. */
static unsigned bits_with_one_more(const struct index *x)
{
	if (!x->bits)
		return x->keys < INDEX_FEW ? 0 : FIRST_BITS;
	return x->bits + (x->keys >= UINT32_C(1) << x->bits);
}

static size_t table_bytes(unsigned bits)
{
	return bits ? sizeof(struct indexed *) << bits : 0;
}

size_t index_bytes(const struct index *x)
{
	return table_bytes(x->bits);
}

size_t index_growth(const struct index *x)
{
	return table_bytes(bits_with_one_more(x)) - index_bytes(x);
}

/* Places that are no longer needed go, too. */
static void shrink(struct index *x)
{
	if (x->bits && x->keys < UINT32_C(1) << x->bits >> 2)
		resize(x, x->bits > FIRST_BITS ? x->bits - 1 : 0);
}

struct indexed *index_find(const struct index *x, uint64_t key)
{
	return *find(x, key);
}

void index_add(struct index *x, struct indexed *entry, uint64_t key)
{
	struct indexed *oldest = index_find(x, key);
	entry->key = key;
	if (oldest) {
		entry->next = oldest;
		entry->before = oldest->before;
		entry->before->next = entry;
		oldest->before = entry;
		return;
	}
	entry->next = entry->before = entry;
	unsigned bits = bits_with_one_more(x);
	if (bits != x->bits)
		resize(x, bits);
	x->keys++;
	chain_put(x, entry);
}

void index_remove(struct index *x, struct indexed *entry)
{
	struct indexed **link = find(x, entry->key), *next = entry->next;
	next->before = entry->before;
	entry->before->next = next;
	if (*link != entry)
		return;
	if (next != entry) {
		next->chain = entry->chain;
		*link = next;
		return;
	}
	*link = entry->chain;
	x->keys--;
	shrink(x);
}

void index_clear(struct index *x)
{
	if (x->bits)
		free(x->at);
	memset(x, 0, sizeof *x);
}
