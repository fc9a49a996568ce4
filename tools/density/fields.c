/* SPDX-License-Identifier: MIT */
#include "fields.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void fields_mistake(const struct fields *f, const char *key, const char *format, ...)
{
	va_list args;
	struct mistake *m = f->mistake;
	if (m->made)
		return;
	m->made = true;
	int n = snprintf(m->text, sizeof m->text, "%s: %s%s%s%s", f->file, f->place, *f->place && key ? "." : "",
			 key ? key : "", *f->place || key ? ": " : "");
	if (n < 0 || (size_t)n >= sizeof m->text)
		return;
	va_start(args, format);
	vsnprintf(m->text + n, sizeof m->text - (size_t)n, format, args);
	va_end(args);
}

void fields_only(const struct fields *f, const char *const *keys)
{
	const char *key;
	json_t *value;
	if (!json_is_object(f->o)) {
		fields_mistake(f, NULL, "must be an object");
		return;
	}
	json_object_foreach ((json_t *)f->o, key, value) {
		const char *const *known = keys;
		while (*known && strcmp(*known, key) != 0)
			known++;
		if (!*known)
			fields_mistake(f, key, "unknown key");
	}
}

double fields_number(const struct fields *f, const char *key, double least, double most, double otherwise)
{
	const json_t *v = json_object_get(f->o, key);
	if (!v)
		return otherwise;
	double n = json_number_value(v);
	if (!json_is_number(v) || !isfinite(n) || n < least || n > most) {
		fields_mistake(f, key, "must be a number from %g to %g", least, most);
		return otherwise;
	}
	return n;
}

unsigned fields_count(const struct fields *f, const char *key, unsigned least, unsigned most, unsigned otherwise)
{
	const json_t *v = json_object_get(f->o, key);
	if (!v)
		return otherwise;
	json_int_t n = json_integer_value(v);
	if (!json_is_integer(v) || n < least || n > most) {
		fields_mistake(f, key, "must be an integer from %u to %u", least, most);
		return otherwise;
	}
	return (unsigned)n;
}

bool fields_flag(const struct fields *f, const char *key, bool otherwise)
{
	const json_t *v = json_object_get(f->o, key);
	if (v && !json_is_boolean(v))
		fields_mistake(f, key, "must be true or false");
	return v ? json_is_true(v) : otherwise;
}

const char *fields_text(const struct fields *f, const char *key, const char *otherwise)
{
	const json_t *v = json_object_get(f->o, key);
	if (!v && !otherwise)
		fields_mistake(f, key, "is missing");
	else if (v && !json_is_string(v))
		fields_mistake(f, key, "must be a string");
	else if (v)
		return json_string_value(v);
	return otherwise ? otherwise : "";
}

unsigned fields_choice(const struct fields *f, const char *key, const char *const *choices)
{
	char all[128] = "";
	unsigned i = 0;
	const char *text = fields_text(f, key, choices[0]);
	for (; choices[i]; i++) {
		if (!strcmp(choices[i], text))
			return i;
		size_t n = strlen(all);
		snprintf(all + n, sizeof all - n, "%s\"%s\"", i ? ", " : "", choices[i]);
	}
	fields_mistake(f, key, "must be one of %s", all);
	return 0;
}

size_t fields_array(const struct fields *f, const char *key, bool must, size_t most)
{
	const json_t *v = json_object_get(f->o, key);
	size_t n = json_array_size(v);
	if (!v && must)
		fields_mistake(f, key, "is missing");
	else if (v && !json_is_array(v))
		fields_mistake(f, key, "must be an array");
	else if (n > most || (must && !n))
		fields_mistake(f, key, "must have %d to %zu elements", must, most);
	return n > most ? 0 : n;
}

struct fields fields_element(const struct fields *f, const char *key, size_t i)
{
	struct fields e = {.file = f->file, .o = json_array_get(json_object_get(f->o, key), i), .mistake = f->mistake};
	snprintf(e.place, sizeof e.place, "%.40s%s%s[%zu]", f->place, *f->place ? "." : "", key, i);
	return e;
}
