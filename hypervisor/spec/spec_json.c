/* SPDX-License-Identifier: MIT */
/* Specs as JSON text (docs/spec.md). Here types are checked; what values may be is cassin_spec_check()'s. */
#include <cassin/spec.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cassin/open_file.h>

#include "spec/spec_files.h"
#include "spec/spec_reader.h"
#include "spec/spec_words.h"

#define FILE_BYTES_MAX ((size_t)1 << 20)

int reader_no_memory(const struct reader *r)
{
	return cassin_error_set(r->err, -ENOMEM, "%s: no memory", r->where);
}

const char *type_name(const json_t *value)
{
	switch (json_typeof(value)) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "a string";
	case JSON_INTEGER:
		return "an integer";
	case JSON_REAL:
		return "a fraction";
	case JSON_TRUE:
	case JSON_FALSE:
		return "a boolean";
	case JSON_NULL:
		return "null";
	}
	return "nothing known";
}

/* ---- Simple values ---- */

/* The text is the JSON value's. */
int take_string(const struct reader *r, const char *place, const json_t *value, const char **text)
{
	*text = json_string_value(value);
	if (!*text)
		return REFUSE(r, place, "must be a string, not %s", type_name(value));
	if (strlen(*text) != json_string_length(value))
		return REFUSE(r, place, "holds a zero character");
	return 0;
}

int take_copy(const struct reader *r, const char *place, const json_t *value, char **to)
{
	const char *text;
	int result = take_string(r, place, value, &text);
	if (result)
		return result;
	char *copy = strdup(text);
	if (!copy)
		return reader_no_memory(r);
	free(*to);
	*to = copy;
	return 0;
}

int take_fixed(const struct reader *r, const char *place, const json_t *value, char *to, size_t size)
{
	const char *text;
	int result = take_string(r, place, value, &text);
	if (result)
		return result;
	if (strlen(text) >= size)
		return REFUSE(r, place, "has %zu bytes, at most %zu", strlen(text), size - 1);
	memcpy(to, text, strlen(text) + 1);
	return 0;
}

/* JSON has one kind of number: 64e6 and 80.0 are whole ones, too. What no such number can be exactly is none. */
static bool take_whole(const json_t *value, json_int_t *number)
{
	static const double exact = 9007199254740992.0; /* 2^53 */
	double real = json_real_value(value);
	if (json_is_integer(value)) {
		*number = json_integer_value(value);
		return true;
	}
	if (!json_is_real(value) || real < -exact || real > exact || real != (double)(json_int_t)real)
		return false;
	*number = (json_int_t)real;
	return true;
}

int take_number(const struct reader *r, const char *place, const json_t *value, json_int_t least, json_int_t most,
		unsigned *to)
{
	json_int_t number;
	if (!take_whole(value, &number))
		return REFUSE(r, place, "must be an integer, not %s", type_name(value));
	if (number < least || number > most)
		return REFUSE(r, place, "must be a number from %lld to %lld, not %lld", (long long)least,
			      (long long)most, (long long)number);
	*to = (unsigned)number;
	return 0;
}

/* The index of a word in `words`, which ends with NULL; `choice` names them to a person. */
static int take_word(const struct reader *r, const char *place, const json_t *value, const char *const *words,
		     const char *choice, unsigned *to)
{
	const char *text;
	int result = take_string(r, place, value, &text);
	if (result)
		return result;
	int found = word_find(words, text, strlen(text));
	if (found < 0)
		return REFUSE(r, place, "must be %s, not \"%.80s\"", choice, text);
	*to = (unsigned)found;
	return 0;
}

/* ---- The keys ---- */

static int take_name(struct reader *r, const char *place, const json_t *value)
{
	return take_copy(r, place, value, &r->spec->name);
}

static int take_image(struct reader *r, const char *place, const json_t *value)
{
	return take_copy(r, place, value, &r->spec->image);
}

static int take_template(struct reader *r, const char *place, const json_t *value)
{
	return take_copy(r, place, value, &r->spec->from_template);
}

static int take_domain(struct reader *r, const char *place, const json_t *value)
{
	return take_copy(r, place, value, &r->spec->domain);
}

static int take_memory(struct reader *r, const char *place, const json_t *value)
{
	const char *text;
	json_int_t number;
	r->memory = true;
	if (take_whole(value, &number)) {
		if (number < 0)
			return REFUSE(r, place, "must be from 64K to 64G, not %lld bytes", (long long)number);
		r->spec->memory = (uint64_t)number;
		return 0;
	}
	if (!json_is_string(value))
		return REFUSE(r, place, "must be a number of bytes or a size such as \"16M\", not %s",
			      type_name(value));
	int result = take_string(r, place, value, &text);
	if (result)
		return result;
	result = cassin_size_parse(text, &r->spec->memory);
	if (result == -ERANGE)
		return REFUSE(r, place, "must be from 64K to 64G, not \"%.80s\"", text);
	if (result)
		return REFUSE(r, place, "must be a number of bytes or a size such as \"16M\", not \"%.80s\"", text);
	return 0;
}

static int take_streams(struct reader *r, const char *place, const json_t *value)
{
	return take_number(r, place, value, 1, CASSIN_STREAMS_MAX, &r->spec->streams);
}

static int take_weight(struct reader *r, const char *place, const json_t *value)
{
	return take_number(r, place, value, 1, CASSIN_WEIGHT_MAX, &r->spec->weight);
}

static int take_cpu_max(struct reader *r, const char *place, const json_t *value)
{
	const char *text;
	int result = take_string(r, place, value, &text);
	if (!result && cassin_cpu_max_parse(text, &r->spec->cpu_quota_us, &r->spec->cpu_period_us) < 0)
		result = REFUSE(r, place, "must be microseconds, \"QUOTA PERIOD\" or \"max PERIOD\", not \"%.80s\"",
				text);
	return result;
}

static int take_restart_max(struct reader *r, const char *place, const json_t *value)
{
	return take_number(r, place, value, 0, UINT32_MAX, &r->spec->restart_max);
}

static int take_isolation(struct reader *r, const char *place, const json_t *value)
{
	unsigned word = 0;
	int result = take_word(r, place, value, isolation_words, "\"cell\" or \"vm\"", &word);
	if (!result)
		r->spec->isolation = (enum cassin_guest_isolation)word;
	return result;
}

static int take_restart(struct reader *r, const char *place, const json_t *value)
{
	unsigned word = 0;
	int result = take_word(r, place, value, restart_words, "\"no\", \"on-failure\" or \"always\"", &word);
	if (!result)
		r->spec->restart = (enum cassin_guest_restart)word;
	return result;
}

/* ---- Whole texts ---- */

static const struct {
	const char *key;
	int (*take)(struct reader *r, const char *place, const json_t *value);
} keys[] = {
	{"name", take_name},     {"image", take_image},      {"template", take_template},
	{"domain", take_domain}, {"memory", take_memory},    {"args", take_args},
	{"ports", take_ports},   {"connect", take_connects}, {"streams", take_streams},
	{"weight", take_weight}, {"cpu_max", take_cpu_max},  {"isolation", take_isolation},
	{"files", take_files},   {"restart", take_restart},  {"restart_max", take_restart_max},
};

static int take_key(struct reader *r, const char *key, const json_t *value)
{
	for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
		if (!strcmp(key, keys[i].key))
			return keys[i].take(r, key, value);
	return cassin_error_set(r->err, -EINVAL, "%s: \"%.80s\": unknown key", r->where, key);
}

/* A spec that will get its name or image elsewhere must be right in all else already. */
static int check_rest(const struct reader *r)
{
	char name[] = "x", image[] = "x";
	struct cassin_guest_spec whole = *r->spec;
	if (!whole.name)
		whole.name = name;
	if (!whole.image && !whole.from_template)
		whole.image = image;
	if (whole.from_template && r->memory)
		return REFUSE(r, "memory", "a clone has its template's, so it must be absent");
	return cassin_spec_check(&whole, r->where, r->err);
}

static int take_json(struct reader *r, const char *json, size_t len)
{
	json_error_t e;
	const char *key;
	json_t *root = json_loadb(json ? json : "", json ? len : 0, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e),
	       *value;
	int result = 0;
	if (!root && json_error_code(&e) == json_error_out_of_memory)
		return reader_no_memory(r);
	if (!root)
		return cassin_error_set(r->err, -EINVAL, "%s:%d: %s", r->where, e.line, e.text);
	if (!json_is_object(root))
		result = cassin_error_set(r->err, -EINVAL, "%s: must be an object, not %s", r->where, type_name(root));
	else
		json_object_foreach (root, key, value)
			if (!result)
				result = take_key(r, key, value);
	json_decref(root);
	return result ? result : check_rest(r);
}

/* Editors put a byte order mark in front: that of UTF-8 is passed over, as RFC 8259 allows (section 8.1). */
static int take_all(struct reader *r, const char *json, size_t len)
{
	if (json && len >= 2 && (!memcmp(json, "\xff\xfe", 2) || !memcmp(json, "\xfe\xff", 2)))
		return cassin_error_set(r->err, -EINVAL, "%s: is UTF-16 text: a spec is UTF-8", r->where);
	bool marked = json && len >= 3 && !memcmp(json, "\xef\xbb\xbf", 3);
	return marked ? take_json(r, json + 3, len - 3) : take_json(r, json, len);
}

/* What a failed read leaves behind is a spec of defaults. */
static int finish(struct cassin_guest_spec *s, int result)
{
	if (result) {
		cassin_spec_free(s);
		cassin_spec_init(s);
	}
	return result;
}

int cassin_spec_parse(struct cassin_guest_spec *s, const char *json, size_t len, const char *where,
		      struct cassin_error_text *err)
{
	struct reader r = {.spec = s, .where = where, .err = err};
	return finish(s, take_all(&r, json, len));
}

/* ---- Files ---- */

static int read_file(int fd, const char *path, char **text, size_t *len, struct cassin_error_text *err)
{
	*text = malloc(FILE_BYTES_MAX + 1);
	if (!*text)
		return cassin_error_set(err, -ENOMEM, "%s: no memory", path);
	ssize_t n = cassin_read_whole(fd, *text, FILE_BYTES_MAX + 1);
	int result = 0;
	if (n < 0)
		result = cassin_error_set(err, (int)n, "%s: cannot be read: %s", path, strerror((int)-n));
	else if (n > (ssize_t)FILE_BYTES_MAX)
		result = cassin_error_set(err, -EINVAL, "%s: is longer than 1 MiB", path);
	*len = (size_t)n;
	if (result)
		free(*text);
	return result;
}

static int place_paths(struct cassin_guest_spec *s, const char *path)
{
	char *image = s->image ? path_beside(path, s->image) : NULL;
	if (s->image && !image)
		return -ENOMEM;
	free(s->image);
	s->image = image;
	return spec_files_place(s, path);
}

int cassin_spec_read(struct cassin_guest_spec *s, int fd, const char *path, struct cassin_error_text *err)
{
	struct reader r = {.spec = s, .where = path, .err = err};
	char *text = NULL, *before = s->image;
	size_t len = 0;
	int result = read_file(fd, path, &text, &len, err);
	if (!result) {
		s->image = NULL; /* an image from before is not relative to this file */
		result = take_all(&r, text, len);
		free(text);
		if (!result && place_paths(s, path) < 0)
			result = reader_no_memory(&r);
		if (s->image)
			free(before);
		else
			s->image = before;
	}
	return finish(s, result);
}

int cassin_spec_load(struct cassin_guest_spec *s, const char *path, struct cassin_error_text *err)
{
	int fd = cassin_stream_open(path, err);
	if (fd < 0)
		return finish(s, fd);
	int result = cassin_spec_read(s, fd, path, err);
	close(fd);
	return result;
}
