/* SPDX-License-Identifier: MIT */
/*
 * A high dynamic range histogram of nanoseconds, as HdrHistogram lays it out: buckets whose width doubles with the
 * value, 1024 of them to each power of two, so that every value up to an hour is kept to three digits.
 */
#ifndef DENSITY_HISTOGRAM_H
#define DENSITY_HISTOGRAM_H

#include <jansson.h>
#include <stdint.h>

#define HISTOGRAM_SUB 1024u /* buckets to a power of two */
#define HISTOGRAM_BITS 42u  /* values below 2^42 ns, 73 minutes; larger ones count as that */
#define HISTOGRAM_BUCKETS ((HISTOGRAM_BITS - 9) * HISTOGRAM_SUB)

struct histogram {
	uint64_t count, largest;
	double sum;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t ns);
void histogram_merge(struct histogram *h, const struct histogram *other);
/* The value that `part` (0 to 1) of all do not exceed; 0 when there is none. */
uint64_t histogram_at(const struct histogram *h, double part);
/* [[bucket, count], ...], for another process to merge. A new reference. */
json_t *histogram_encode(const struct histogram *h);
/* Adds what that says; buckets that cannot be are skipped. */
void histogram_decode(struct histogram *h, const json_t *pairs);

#endif
