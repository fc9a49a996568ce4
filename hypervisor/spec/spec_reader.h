/* SPDX-License-Identifier: MIT */
/* Reading a spec's JSON: what its keys and its lists share. Each take_ function puts a value to its place or refuses it with
 * one line; `place` is where it stands ("ports[2].host"). */
#ifndef SPEC_READER_H
#define SPEC_READER_H

#include <jansson.h>

#include <cassin/spec.h>

struct reader {
	struct cassin_guest_spec *spec;
	const char *where;
	struct cassin_error_text *err;
	bool memory; /* the text has this key */
};

#define REFUSE(r, place, format, ...)                                                                                  \
	cassin_error_set((r)->err, -EINVAL, "%s: %s: " format, (r)->where, place __VA_OPT__(, ) __VA_ARGS__)

int reader_no_memory(const struct reader *r);
const char *type_name(const json_t *value);
/* The text is the JSON value's. */
int take_string(const struct reader *r, const char *place, const json_t *value, const char **text);
/* A copy; what stood there before is freed. */
int take_copy(const struct reader *r, const char *place, const json_t *value, char **to);
/* Into `size` bytes. */
int take_fixed(const struct reader *r, const char *place, const json_t *value, char *to, size_t size);
int take_number(const struct reader *r, const char *place, const json_t *value, json_int_t least, json_int_t most,
		unsigned *to);

/* The lists of a spec (spec_lists.c). */
int take_args(struct reader *r, const char *place, const json_t *value);
int take_ports(struct reader *r, const char *place, const json_t *value);
int take_connects(struct reader *r, const char *place, const json_t *value);
int take_files(struct reader *r, const char *place, const json_t *value);

#endif
