/* SPDX-License-Identifier: MIT */
/* The keys and values of kv: a hash table that grows, with times of expiry. */
#ifndef KV_STORE_H
#define KV_STORE_H

#include <cassin/guest.h>

struct slice {
	const char *at;
	uint32_t len;
};

struct entry {
	struct entry *next; /* in its bucket */
	uint64_t expires;   /* monotonic ns; CASSIN_FOREVER: never */
	uint64_t hash;
	uint32_t key_len, value_len;
	char bytes[]; /* the key, then the value */
};

static inline struct slice entry_key(const struct entry *e)
{
	return (struct slice){e->bytes, e->key_len};
}

static inline struct slice entry_value(const struct entry *e)
{
	return (struct slice){e->bytes + e->key_len, e->value_len};
}

/* Makes the empty table. 0, -CASSIN_ENOMEM. */
int store_init(void);
/* Takes the guest's own seed for the hash, as a clone's is another than its template's, unless there are keys already. */
void store_seed(void);
/* The entry of a key, good until the store is changed. NULL: there is none, or its time is up. */
struct entry *store_get(struct slice key);
/* Sets key and value. 0, -CASSIN_ENOMEM: the old value stays. The value must not be in the store. */
int store_set(struct slice key, struct slice value, uint64_t expires);
/* Sets when an entry ends. */
void store_expire(struct entry *e, uint64_t expires);
/* False: there was none. */
bool store_delete(struct slice key);
void store_clear(void);
/* Keys, and those of them that will expire; among both may be some whose time is up. */
uint64_t store_count(void);
uint64_t store_expiring(void);
/* Walks all entries whose time is not up: give NULL first, then what came last. NULL: that was all. The store must not
 * change meanwhile. */
struct entry *store_next(const struct entry *last);
/* Drops entries whose time is up, some at a time. Returns when it wants to be called again. */
uint64_t store_tick(uint64_t now);

/* Whether a text matches a pattern of *, ?, [set], [^set] and \ before a character to be taken as it is. */
bool glob_match(struct slice pattern, struct slice text);

#endif
