/* SPDX-License-Identifier: MIT */
/* The JSON text of a spec: parsing it gives the spec back. */
#include <cassin/spec.h>

#include <jansson.h>

#include "base/blob.h"
#include "spec/spec_words.h"

/* What cannot be appended (text that is not UTF-8, no memory) leaves no list. */
static void append(json_t **list, json_t *item)
{
	if (json_array_append_new(*list, item) == 0)
		return;
	json_decref(*list);
	*list = NULL;
}

static json_t *args_json(const struct cassin_guest_spec *s)
{
	json_t *list = json_array();
	for (size_t i = 0; i < s->nargs; i++)
		append(&list, json_string(s->args[i]));
	return list;
}

static json_t *ports_json(const struct cassin_guest_spec *s)
{
	json_t *list = json_array();
	for (size_t i = 0; i < s->nports; i++)
		append(&list, json_pack("{s:s, s:i}", "host", s->ports[i].host, "guest", (int)s->ports[i].guest));
	return list;
}

static json_t *connects_json(const struct cassin_guest_spec *s)
{
	json_t *list = json_array();
	for (size_t i = 0; i < s->nconnects; i++)
		append(&list, json_pack("{s:s, s:s}", "name", s->connects[i].name, "target", s->connects[i].target));
	return list;
}

static json_t *files_json(const struct cassin_guest_spec *s)
{
	json_t *list = json_array();
	for (size_t i = 0; i < s->nfiles; i++) {
		const struct cassin_guest_file *f = &s->files[i];
		json_t *content = f->text ? json_stringn((const char *)f->text->bytes, f->text->size)
					  : json_string(f->path);
		append(&list, json_pack("{s:s, s:o}", "name", f->name, f->text ? "text" : "path", content));
	}
	return list;
}

char *cassin_spec_format(const struct cassin_guest_spec *s)
{
	json_t *o = json_object();
	char cpu_max[CASSIN_CPU_MAX_TEXT];
	int bad = 0;
	if (s->name)
		bad |= json_object_set_new(o, "name", json_string(s->name));
	if (s->from_template)
		bad |= json_object_set_new(o, "template", json_string(s->from_template));
	if (s->image)
		bad |= json_object_set_new(o, "image", json_string(s->image));
	if (s->domain)
		bad |= json_object_set_new(o, "domain", json_string(s->domain));
	if (!s->from_template) {
		bad |= json_object_set_new(o, "memory", json_integer((json_int_t)s->memory));
		bad |= json_object_set_new(o, "args", args_json(s));
	}
	bad |= json_object_set_new(o, "ports", ports_json(s));
	bad |= json_object_set_new(o, "connect", connects_json(s));
	if (s->nfiles)
		bad |= json_object_set_new(o, "files", files_json(s));
	bad |= json_object_set_new(o, "streams", json_integer(s->streams));
	bad |= json_object_set_new(o, "weight", json_integer(s->weight));
	cassin_cpu_max_format(s->cpu_quota_us, s->cpu_period_us, cpu_max);
	bad |= json_object_set_new(o, "cpu_max", json_string(cpu_max));
	bad |= json_object_set_new(o, "isolation", json_string(isolation_words[s->isolation]));
	bad |= json_object_set_new(o, "restart", json_string(restart_words[s->restart]));
	bad |= json_object_set_new(o, "restart_max", json_integer(s->restart_max));
	char *text = bad ? NULL : json_dumps(o, JSON_INDENT(2));
	json_decref(o);
	return text;
}
