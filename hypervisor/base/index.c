/* SPDX-License-Identifier: MIT */
#include "base/index.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

static unsigned index_bits(const struct index *x)
{
	return x->at ? x->bits : INDEX_FEW_BITS;
}

static struct indexed **chain_of(const struct index *x, uint64_t key)
{
	struct indexed **at = x->at ? x->at : (struct indexed **)x->few;
	return &at[hash_keyed(key, index_bits(x))];
}

static void chain_put(struct indexed **link, struct indexed *entry)
{
	entry->chain = *link;
	if (entry->chain)
		entry->chain->chain_link = &entry->chain;
	entry->chain_link = link;
	*link = entry;
}

static void chain_take(struct indexed *entry)
{
	*entry->chain_link = entry->chain;
	if (entry->chain)
		entry->chain->chain_link = entry->chain_link;
	entry->chain_link = NULL;
}

/* Moves all entries to 2^bits places. Without memory they stay where they are. */
static void resize(struct index *x, unsigned bits)
{
	struct indexed **was = x->at, **from = was ? was : x->few, **at = NULL;
	uint32_t before = UINT32_C(1) << index_bits(x);
	if (bits > INDEX_FEW_BITS && !(at = calloc(UINT32_C(1) << bits, sizeof *at)))
		return;
	x->bits = bits;
	x->at = at;
	for (uint32_t i = 0; i < before; i++) {
		while (from[i]) {
			struct indexed *entry = from[i];
			chain_take(entry);
			chain_put(chain_of(x, entry->key), entry);
		}
	}
	free(was);
}

/* Places that are no longer needed go, too: whoever has counted the entries alone has counted enough. */
static void shrink(struct index *x)
{
	if (x->at && x->keys < UINT32_C(1) << x->bits >> 2)
		resize(x, x->bits - 1);
}

static struct indexed *find(struct indexed *entry, uint64_t key)
{
	while (entry && entry->key != key)
		entry = entry->chain;
	return entry;
}

struct indexed *index_find(const struct index *x, uint64_t key)
{
	return find(*chain_of(x, key), key);
}

void index_add(struct index *x, struct indexed *entry, uint64_t key)
{
	struct indexed *oldest = index_find(x, key);
	entry->key = key;
	entry->chain_link = NULL;
	if (oldest) {
		entry->next = oldest;
		entry->before = oldest->before;
		entry->before->next = entry;
		oldest->before = entry;
		return;
	}
	if (x->keys++ >> index_bits(x))
		resize(x, index_bits(x) + 1);
	entry->next = entry->before = entry;
	chain_put(chain_of(x, key), entry);
}

void index_remove(struct index *x, struct indexed *entry)
{
	struct indexed *next = entry->next;
	next->before = entry->before;
	entry->before->next = next;
	if (!entry->chain_link)
		return;
	struct indexed **link = entry->chain_link;
	chain_take(entry);
	if (next != entry) {
		chain_put(link, next);
		return;
	}
	x->keys--;
	shrink(x);
}

void index_clear(struct index *x)
{
	free(x->at);
	memset(x, 0, sizeof *x);
}
