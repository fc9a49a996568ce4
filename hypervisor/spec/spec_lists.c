/* SPDX-License-Identifier: MIT */
/* The lists of a spec: arrays of text and of small objects. */
#include "spec/spec_reader.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/blob.h"
#include "spec/spec_files.h"

#define PLACE_MAX 48 /* "connect[18446744073709551615].target" */

/* An array of at most `most`: its length and room for as many elements. */
static int take_list(const struct reader *r, const char *place, const json_t *value, size_t most, size_t size,
		     void **room)
{
	if (!json_is_array(value))
		return REFUSE(r, place, "must be an array, not %s", type_name(value));
	size_t n = json_array_size(value);
	if (n > most)
		return REFUSE(r, place, "%zu of them, at most %zu", n, most);
	*room = n ? calloc(n, size) : NULL;
	return n && !*room ? reader_no_memory(r) : 0;
}

int take_args(struct reader *r, const char *place, const json_t *value)
{
	struct cassin_guest_spec *s = r->spec;
	char element[PLACE_MAX];
	void *room;
	int result = take_list(r, place, value, CASSIN_ARGS_MAX, sizeof *s->args, &room);
	if (result)
		return result;
	for (size_t i = 0; i < s->nargs; i++)
		free(s->args[i]);
	free(s->args);
	s->args = room;
	for (s->nargs = 0; !result && s->nargs < json_array_size(value); s->nargs++) {
		snprintf(element, sizeof element, "%s[%zu]", place, s->nargs);
		result = take_copy(r, element, json_array_get(value, s->nargs), &s->args[s->nargs]);
	}
	return result;
}

/* One element of an array of objects. Its two keys are both strings, or a string and a port. */
struct pair {
	const char *first, *second;
	char *text;
	size_t size;
	char *second_text; /* NULL: the second is a port, */
	size_t second_size;
	uint16_t *port; /* put here */
};

static int take_port(const struct reader *r, const char *place, const json_t *value, uint16_t *to)
{
	unsigned number = 0;
	int result = take_number(r, place, value, 1, UINT16_MAX, &number);
	*to = (uint16_t)number;
	return result;
}

static int take_pair(const struct reader *r, const char *place, size_t index, const json_t *value, const struct pair *p)
{
	char element[PLACE_MAX], member[PLACE_MAX + 16];
	const char *key;
	json_t *item;
	int result = 0;
	snprintf(element, sizeof element, "%s[%zu]", place, index);
	if (!json_is_object(value))
		return REFUSE(r, element, "must be an object, not %s", type_name(value));
	json_object_foreach ((json_t *)value, key, item) {
		snprintf(member, sizeof member, "%s.%.12s", element, key);
		if (!strcmp(key, p->first))
			result = take_fixed(r, member, item, p->text, p->size);
		else if (strcmp(key, p->second) != 0)
			result = REFUSE(r, element, "\"%.80s\": unknown key", key);
		else if (p->port)
			result = take_port(r, member, item, p->port);
		else
			result = take_fixed(r, member, item, p->second_text, p->second_size);
		if (result)
			return result;
	}
	if (json_object_size(value) == 2)
		return 0;
	snprintf(member, sizeof member, "%s.%s", element, json_object_get(value, p->first) ? p->second : p->first);
	return REFUSE(r, member, "is missing");
}

int take_ports(struct reader *r, const char *place, const json_t *value)
{
	struct cassin_guest_spec *s = r->spec;
	void *room;
	int result = take_list(r, place, value, CASSIN_PORTS_MAX, sizeof *s->ports, &room);
	if (result)
		return result;
	free(s->ports);
	s->ports = room;
	s->nports = json_array_size(value);
	for (size_t i = 0; !result && i < s->nports; i++) {
		struct cassin_guest_port *port = &s->ports[i];
		const struct pair p = {"host", "guest", port->host, sizeof port->host, NULL, 0, &port->guest};
		result = take_pair(r, place, i, json_array_get(value, i), &p);
	}
	return result;
}

int take_connects(struct reader *r, const char *place, const json_t *value)
{
	struct cassin_guest_spec *s = r->spec;
	void *room;
	int result = take_list(r, place, value, CASSIN_CONNECT_MAX, sizeof *s->connects, &room);
	if (result)
		return result;
	free(s->connects);
	s->connects = room;
	s->nconnects = json_array_size(value);
	for (size_t i = 0; !result && i < s->nconnects; i++) {
		struct cassin_guest_connect *c = &s->connects[i];
		const struct pair p = {"name", "target", c->name, sizeof c->name, c->target, sizeof c->target, NULL};
		result = take_pair(r, place, i, json_array_get(value, i), &p);
	}
	return result;
}

static int take_text(const struct reader *r, const char *place, const json_t *value, struct cassin_blob **to)
{
	const char *text;
	int result = take_string(r, place, value, &text);
	if (result)
		return result;
	struct cassin_blob *b = blob_new(strlen(text));
	if (!b)
		return reader_no_memory(r);
	memcpy(b->bytes, text, b->size);
	*to = b;
	return 0;
}

/* What is required and what is forbidden is cassin_spec_check()'s. */
static int take_file(const struct reader *r, const char *element, const json_t *value, struct cassin_guest_file *f)
{
	char member[PLACE_MAX + 16];
	const char *key;
	json_t *item;
	int result = 0;
	if (!json_is_object(value))
		return REFUSE(r, element, "must be an object, not %s", type_name(value));
	json_object_foreach ((json_t *)value, key, item) {
		snprintf(member, sizeof member, "%s.%.12s", element, key);
		if (!strcmp(key, "name"))
			result = take_fixed(r, member, item, f->name, sizeof f->name);
		else if (!strcmp(key, "path"))
			result = take_copy(r, member, item, &f->path);
		else if (!strcmp(key, "text"))
			result = take_text(r, member, item, &f->text);
		else
			result = REFUSE(r, element, "\"%.80s\": unknown key", key);
		if (result)
			return result;
	}
	snprintf(member, sizeof member, "%s.name", element);
	return json_object_get(value, "name") ? 0 : REFUSE(r, member, "is missing");
}

int take_files(struct reader *r, const char *place, const json_t *value)
{
	struct cassin_guest_spec *s = r->spec;
	char element[PLACE_MAX];
	void *room;
	int result = take_list(r, place, value, CASSIN_FILES_MAX, sizeof *s->files, &room);
	if (result)
		return result;
	spec_files_free(s);
	s->files = room;
	s->nfiles = json_array_size(value);
	for (size_t i = 0; !result && i < s->nfiles; i++) {
		snprintf(element, sizeof element, "%s[%zu]", place, i);
		result = take_file(r, element, json_array_get(value, i), &s->files[i]);
	}
	return result;
}
