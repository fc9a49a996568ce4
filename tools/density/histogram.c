/* SPDX-License-Identifier: MIT */
#include "histogram.h"

/* Values below 2 * SUB have a bucket each; above, a value's highest eleven bits tell its bucket. */
static unsigned bucket_of(uint64_t ns)
{
	if (ns < 2 * HISTOGRAM_SUB)
		return (unsigned)ns;
	unsigned shift = 63u - (unsigned)__builtin_clzll(ns) - 10;
	unsigned bucket = shift * HISTOGRAM_SUB + (unsigned)(ns >> shift);
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

/* The middle of a bucket. */
static uint64_t value_of(unsigned bucket)
{
	if (bucket < 2 * HISTOGRAM_SUB)
		return bucket;
	unsigned shift = bucket / HISTOGRAM_SUB - 1;
	uint64_t low = (uint64_t)(bucket - shift * HISTOGRAM_SUB) << shift;
	return low + (1ull << shift) / 2;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	h->buckets[bucket_of(ns)]++;
	h->count++;
	h->sum += (double)ns;
	if (ns > h->largest)
		h->largest = ns;
}

void histogram_merge(struct histogram *h, const struct histogram *other)
{
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		h->buckets[i] += other->buckets[i];
	h->count += other->count;
	h->sum += other->sum;
	if (other->largest > h->largest)
		h->largest = other->largest;
}

uint64_t histogram_at(const struct histogram *h, double part)
{
	uint64_t seen = 0;
	double wanted = part * (double)h->count;
	for (unsigned i = 0; part < 1 && i < HISTOGRAM_BUCKETS; i++) {
		seen += h->buckets[i];
		if (seen && (double)seen >= wanted)
			return value_of(i) < h->largest ? value_of(i) : h->largest;
	}
	return h->largest;
}

json_t *histogram_encode(const struct histogram *h)
{
	json_t *pairs = json_array();
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		if (h->buckets[i])
			json_array_append_new(pairs, json_pack("[i, I]", (int)i, (json_int_t)h->buckets[i]));
	return pairs;
}

void histogram_decode(struct histogram *h, const json_t *pairs)
{
	size_t i;
	json_t *pair;
	json_array_foreach (pairs, i, pair) {
		json_int_t bucket = json_integer_value(json_array_get(pair, 0));
		json_int_t count = json_integer_value(json_array_get(pair, 1));
		if (bucket < 0 || bucket >= (json_int_t)HISTOGRAM_BUCKETS || count < 1)
			continue;
		uint64_t value = value_of((unsigned)bucket);
		h->buckets[bucket] += (uint64_t)count;
		h->count += (uint64_t)count;
		h->sum += (double)value * (double)count;
		if (value > h->largest)
			h->largest = value;
	}
}
