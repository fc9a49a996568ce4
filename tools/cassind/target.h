/* SPDX-License-Identifier: MIT */
/* A request's target: path segments and query parameters, percent-decoded. */
#ifndef TARGET_H
#define TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TARGET_SEGMENTS 4
#define TARGET_QUERIES 8

struct target {
	char *segments[TARGET_SEGMENTS];
	size_t nsegments;
	struct {
		char *key, *value; /* value "" when there is no '=' */
	} queries[TARGET_QUERIES];
	size_t nqueries;
};

/* Takes "/a/b?k=v", or "http://host/a/b?k=v", apart in place: the result points into text. -EINVAL: no path, bad escapes, too many
 * parts. */
int target_parse(struct target *t, char *text);
/* The parameter's value, NULL when absent. */
const char *target_query(const struct target *t, const char *key);
/* A flag: absent, "" or "0" ... "1". -EINVAL otherwise. */
int target_flag(const struct target *t, const char *key, bool *out);
/* A number from 0 to most; *out stays as it is when the parameter is absent. -EINVAL otherwise. */
int target_number(const struct target *t, const char *key, uint64_t most, uint64_t *out);

#endif
