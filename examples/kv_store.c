/* SPDX-License-Identifier: MIT */
#include "kv_store.h"

#define FIRST_BUCKETS 16u
#define SWEEP_BUCKETS 4096u /* looked at in one tick */
#define SWEEP_PAUSE_NS 10000000u
#define RESERVE 131072u /* bytes of the heap that values leave to the connections, of a small heap a quarter */

static struct {
	struct entry **buckets;
	uint64_t mask, count, expiring;
	uint64_t seed;
	uint64_t next_expiry;           /* nothing ends before it */
	uint64_t cursor, cursor_expiry; /* a sweep under way: next bucket, earliest expiry it has seen */
} store;

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Keyed by the guest's own seed, so that nobody can choose keys that collide. */
static uint64_t hash_of(struct slice key)
{
	uint64_t h = store.seed ^ key.len, word = 0;
	const char *at = key.at;
	uint32_t left = key.len;
	for (; left >= sizeof word; left -= (uint32_t)sizeof word, at += sizeof word) {
		memcpy(&word, at, sizeof word);
		h = mix(h ^ word, UINT64_C(0x9e3779b97f4a7c15));
	}
	word = 0;
	memcpy(&word, at, left);
	return mix(h ^ word ^ store.seed, UINT64_C(0xd6e8feb86659fd93) ^ store.seed << 1);
}

/* Whether values may take this much more of the heap. */
static bool room_for(size_t size)
{
	size_t heap = cassin_boot->heap_size, reserve = heap / 4 < RESERVE ? heap / 4 : RESERVE;
	return cassin_heap_used() + size <= heap - reserve;
}

void store_seed(void)
{
	if (!store.count)
		memcpy(&store.seed, cassin_boot->seed, sizeof store.seed);
}

int store_init(void)
{
	store_seed();
	store.next_expiry = CASSIN_FOREVER;
	store.buckets = cassin_zalloc(FIRST_BUCKETS, sizeof *store.buckets);
	store.mask = FIRST_BUCKETS - 1;
	return store.buckets ? 0 : -CASSIN_ENOMEM;
}

/* Doubles the table. Without memory for it chains grow longer instead. */
static void grow(void)
{
	uint64_t n = (store.mask + 1) * 2;
	struct entry **buckets = room_for(n * sizeof *buckets) ? cassin_zalloc(n, sizeof *buckets) : NULL;
	if (!buckets)
		return;
	for (uint64_t i = 0; i <= store.mask; i++) {
		for (struct entry *e = store.buckets[i], *next; e; e = next) {
			next = e->next;
			e->next = buckets[e->hash & (n - 1)];
			buckets[e->hash & (n - 1)] = e;
		}
	}
	cassin_free(store.buckets);
	store.buckets = buckets;
	store.mask = n - 1;
	store.cursor = 0;
	store.cursor_expiry = CASSIN_FOREVER;
}

/* Where the key's entry is linked from, or would be. */
static struct entry **find(struct slice key, uint64_t hash)
{
	struct entry **link = &store.buckets[hash & store.mask];
	while (*link &&
	       !((*link)->hash == hash && (*link)->key_len == key.len && memcmp((*link)->bytes, key.at, key.len) == 0))
		link = &(*link)->next;
	return link;
}

static void drop(struct entry **link)
{
	struct entry *e = *link;
	*link = e->next;
	store.count--;
	store.expiring -= e->expires != CASSIN_FOREVER;
	cassin_free(e);
}

static bool is_over(const struct entry *e)
{
	return e->expires != CASSIN_FOREVER && e->expires <= cassin_now();
}

struct entry *store_get(struct slice key)
{
	struct entry **link = find(key, hash_of(key));
	if (*link && is_over(*link))
		drop(link);
	else
		return *link;
	return NULL;
}

void store_expire(struct entry *e, uint64_t expires)
{
	store.expiring -= e->expires != CASSIN_FOREVER;
	store.expiring += expires != CASSIN_FOREVER;
	e->expires = expires;
	if (expires < store.next_expiry)
		store.next_expiry = expires;
	if (expires < store.cursor_expiry)
		store.cursor_expiry = expires;
}

int store_set(struct slice key, struct slice value, uint64_t expires)
{
	uint64_t hash = hash_of(key);
	struct entry **link = find(key, hash), *old = *link;
	size_t size = sizeof *old + key.len + value.len;
	if (!(old && value.len <= old->value_len) && !room_for(size))
		return -CASSIN_ENOMEM;
	struct entry *e = cassin_realloc(old, size);
	if (!e)
		return -CASSIN_ENOMEM;
	*link = e;
	if (!old) {
		e->next = NULL;
		e->hash = hash;
		e->key_len = key.len;
		e->expires = CASSIN_FOREVER;
		memcpy(e->bytes, key.at, key.len);
		store.count++;
	}
	e->value_len = value.len;
	memcpy(e->bytes + key.len, value.at, value.len);
	store_expire(e, expires);
	if (store.count > store.mask)
		grow();
	return 0;
}

bool store_delete(struct slice key)
{
	struct entry **link = find(key, hash_of(key));
	if (!*link)
		return false;
	bool over = is_over(*link);
	drop(link);
	return !over;
}

void store_clear(void)
{
	for (uint64_t i = 0; i <= store.mask; i++) {
		while (store.buckets[i])
			drop(&store.buckets[i]);
	}
	store.next_expiry = CASSIN_FOREVER;
	store.cursor = 0;
}

uint64_t store_count(void)
{
	return store.count;
}

uint64_t store_expiring(void)
{
	return store.expiring;
}

struct entry *store_next(const struct entry *last)
{
	uint64_t bucket = last ? last->hash & store.mask : 0;
	struct entry *e = last ? last->next : store.buckets[0];
	for (;;) {
		while (e && is_over(e))
			e = e->next;
		if (e || bucket == store.mask)
			return e;
		e = store.buckets[++bucket];
	}
}

uint64_t store_tick(uint64_t now)
{
	if (!store.expiring || now < store.next_expiry)
		return store.expiring ? store.next_expiry : CASSIN_FOREVER;
	if (!store.cursor)
		store.cursor_expiry = CASSIN_FOREVER;
	for (unsigned i = 0; i < SWEEP_BUCKETS && store.cursor <= store.mask; i++, store.cursor++) {
		struct entry **link = &store.buckets[store.cursor];
		while (*link) {
			if ((*link)->expires <= now) {
				drop(link);
				continue;
			}
			if ((*link)->expires < store.cursor_expiry)
				store.cursor_expiry = (*link)->expires;
			link = &(*link)->next;
		}
	}
	if (store.cursor <= store.mask)
		return now + SWEEP_PAUSE_NS;
	store.cursor = 0;
	store.next_expiry = store.cursor_expiry;
	return store.next_expiry < now + SWEEP_PAUSE_NS ? now + SWEEP_PAUSE_NS : store.next_expiry;
}

/* Matches one character against the set that pattern[*at] opens; *at moves past the set. */
static bool set_match(struct slice pattern, uint32_t *at, char c)
{
	uint32_t p = *at + 1;
	bool inverted = p < pattern.len && pattern.at[p] == '^', found = false;
	for (p += inverted; p < pattern.len && pattern.at[p] != ']'; p++) {
		if (pattern.at[p] == '\\' && p + 1 < pattern.len)
			p++;
		unsigned char low = (unsigned char)pattern.at[p], high = low, wanted = (unsigned char)c;
		if (p + 2 < pattern.len && pattern.at[p + 1] == '-' && pattern.at[p + 2] != ']') {
			high = (unsigned char)pattern.at[p + 2];
			p += 2;
		}
		found |= low <= high ? wanted >= low && wanted <= high : wanted >= high && wanted <= low;
	}
	*at = p < pattern.len ? p + 1 : p;
	return found != inverted;
}

/* Matches one character against what stands at pattern[*at], which is no *; *at moves past it. */
static bool one_match(struct slice pattern, uint32_t *at, char c)
{
	switch (pattern.at[*at]) {
	case '?':
		++*at;
		return true;
	case '[':
		return set_match(pattern, at, c);
	case '\\':
		if (*at + 1 < pattern.len)
			++*at;
		break;
	default:
		break;
	}
	return pattern.at[(*at)++] == c;
}

bool glob_match(struct slice pattern, struct slice text)
{
	uint32_t p = 0, t = 0, star = UINT32_MAX, resume = 0;
	while (t < text.len) {
		if (p < pattern.len && pattern.at[p] == '*') {
			star = ++p;
			resume = t;
		} else if (p < pattern.len && one_match(pattern, &p, text.at[t])) {
			t++;
		} else if (star != UINT32_MAX) { /* the last star takes one character more */
			p = star;
			t = ++resume;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.at[p] == '*')
		p++;
	return p == pattern.len;
}
