/* SPDX-License-Identifier: MIT */
#include "batch.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int take_number(const json_t *value, const char *key, json_int_t least, json_int_t most, unsigned *out,
		       struct cassin_error_text *err)
{
	if (!json_is_integer(value) || json_integer_value(value) < least || json_integer_value(value) > most)
		return cassin_error_set(err, -EINVAL, "request: \"%s\": must be a number from %lld to %lld", key,
					(long long)least, (long long)most);
	*out = (unsigned)json_integer_value(value);
	return 0;
}

static int take_flag(const json_t *value, const char *key, bool *out, struct cassin_error_text *err)
{
	if (!json_is_boolean(value))
		return cassin_error_set(err, -EINVAL, "request: \"%s\": must be true or false", key);
	*out = json_is_true(value);
	return 0;
}

static int take_spec(struct batch *b, const json_t *value, struct cassin_error_text *err)
{
	char *text = json_is_object(value) ? json_dumps(value, JSON_COMPACT) : NULL;
	if (!text)
		return cassin_error_set(err, -EINVAL, "request: \"spec\": must be an object");
	int result = cassin_spec_parse(&b->spec, text, strlen(text), "spec", err);
	free(text);
	return result;
}

static int take_prefix(struct batch *b, const json_t *value, struct cassin_error_text *err)
{
	const char *text = json_string_value(value);
	if (!text || !cassin_name_valid(text))
		return cassin_error_set(err, -EINVAL,
					"request: \"name_prefix\": must be letters, digits, '.', '_' and '-', at most "
					"%d, the first a letter or a digit",
					CASSIN_NAME_MAX);
	snprintf(b->prefix, sizeof b->prefix, "%s", text);
	return 0;
}

static int take_base(struct cassin_guest_port *base, const json_t *value, struct cassin_error_text *err)
{
	const char *host = json_string_value(json_object_get(value, "host"));
	json_int_t guest = json_integer_value(json_object_get(value, "guest"));
	if (!host || json_object_size(value) != 2 || strncmp(host, "tcp:", 4) != 0 || !cassin_endpoint_valid(host))
		return cassin_error_set(
			err, -EINVAL,
			"request: \"port_base\": each must be {\"host\": \"tcp:ADDR:PORT\", \"guest\": PORT}");
	if (guest < 1 || guest > 65535)
		return cassin_error_set(err, -EINVAL,
					"request: \"port_base\": \"guest\": must be a port from 1 to 65535");
	snprintf(base->host, sizeof base->host, "%s", host);
	base->guest = (uint16_t)guest;
	return 0;
}

static int take_bases(struct batch *b, const json_t *value, struct cassin_error_text *err)
{
	size_t n = json_array_size(value);
	if (!json_is_array(value) || n > CASSIN_PORTS_MAX)
		return cassin_error_set(err, -EINVAL, "request: \"port_base\": must be an array of at most %d",
					CASSIN_PORTS_MAX);
	b->bases = calloc(n ? n : 1, sizeof *b->bases);
	if (!b->bases)
		return cassin_error_set(err, -ENOMEM, "no memory for the request");
	for (b->nbases = 0; b->nbases < n; b->nbases++) {
		int result = take_base(&b->bases[b->nbases], json_array_get(value, b->nbases), err);
		if (result < 0)
			return result;
	}
	return 0;
}

static int take(struct batch *b, const char *key, const json_t *value, struct cassin_error_text *err)
{
	if (!strcmp(key, "spec"))
		return take_spec(b, value, err);
	if (!strcmp(key, "name_prefix"))
		return take_prefix(b, value, err);
	if (!strcmp(key, "port_base"))
		return take_bases(b, value, err);
	if (!strcmp(key, "count")) {
		b->numbered = true;
		return take_number(value, key, 1, BATCH_COUNT_MAX, &b->count, err);
	}
	if (!strcmp(key, "wait_ms"))
		return take_number(value, key, 0, BATCH_WAIT_MS_MAX, &b->wait_ms, err);
	if (!strcmp(key, "atomic"))
		return take_flag(value, key, &b->atomic, err);
	if (!strcmp(key, "trace"))
		return take_flag(value, key, &b->trace, err);
	if (!strcmp(key, "wait"))
		return take_flag(value, key, &b->wait, err);
	return cassin_error_set(err, -EINVAL, "request: \"%.80s\": unknown key", key);
}

static unsigned long base_port(const struct cassin_guest_port *base)
{
	return strtoul(strrchr(base->host, ':') + 1, NULL, 10);
}

static int check(struct batch *b, struct cassin_error_text *err)
{
	char place[CASSIN_SPEC_PLACE_MAX];
	if (!b->spec.image && !b->spec.from_template)
		return cassin_error_set(err, -EINVAL, "request: \"spec\": \"image\": is missing");
	if (cassin_spec_relative(&b->spec, place))
		return cassin_error_set(err, -EINVAL, "request: \"spec\": \"%s\": must be an absolute path", place);
	if (!b->prefix[0] && b->spec.name)
		snprintf(b->prefix, sizeof b->prefix, "%s", b->spec.name);
	if (!b->prefix[0])
		return cassin_error_set(err, -EINVAL, "request: \"name_prefix\": is missing");
	int longest = b->numbered ? snprintf(NULL, 0, "%s-%u", b->prefix, b->count - 1) : 0;
	if (longest > CASSIN_NAME_MAX)
		return cassin_error_set(
			err, -EINVAL,
			"request: \"name_prefix\": too long: the last name would have %d letters, at most %d", longest,
			CASSIN_NAME_MAX);
	if (b->count > 1 && b->spec.nports)
		return cassin_error_set(
			err, -EINVAL, "request: \"spec\": \"ports\": %u guests cannot share a host port; use port_base",
			b->count);
	if (b->spec.nports + b->nbases > CASSIN_PORTS_MAX)
		return cassin_error_set(err, -EINVAL, "request: more than %d ports", CASSIN_PORTS_MAX);
	for (size_t i = 0; i < b->nbases; i++)
		if (base_port(&b->bases[i]) + b->count - 1 > 65535)
			return cassin_error_set(err, -EINVAL,
						"request: \"port_base\": port %lu of the last guest is above 65535",
						base_port(&b->bases[i]) + b->count - 1);
	return 0;
}

/* The engine would say the same of each guest; the first says it for all. */
static int check_first(const struct batch *b, struct cassin_error_text *err)
{
	struct cassin_guest_spec first;
	int result = batch_spec(b, 0, &first);
	if (result < 0)
		return cassin_error_set(err, result, "no memory for the request");
	result = cassin_spec_check(&first, "spec", err);
	batch_spec_free(&first);
	return result;
}

int batch_parse(struct batch *b, const char *json, size_t len, struct cassin_error_text *err)
{
	json_error_t where;
	json_t *root = json_loadb(json ? json : "", len, JSON_REJECT_DUPLICATES, &where), *value;
	const char *key;
	*b = (struct batch){.count = 1, .wait_ms = BATCH_WAIT_MS_DEFAULT};
	cassin_spec_init(&b->spec);
	int result = 0;
	if (!root)
		result = cassin_error_set(err, -EINVAL, "request:%d: %.300s", where.line, where.text);
	else if (!json_is_object(root))
		result = cassin_error_set(err, -EINVAL, "request: must be an object");
	else
		json_object_foreach (root, key, value)
			if (result == 0)
				result = take(b, key, value, err);
	json_decref(root);
	if (result == 0)
		result = check(b, err);
	if (result == 0)
		result = check_first(b, err);
	if (result < 0)
		batch_free(b);
	return result;
}

void batch_free(struct batch *b)
{
	cassin_spec_free(&b->spec);
	free(b->bases);
	b->bases = NULL;
}

void batch_name(const struct batch *b, unsigned i, char *out)
{
	char name[CASSIN_NAME_MAX + 16];
	if (b->numbered)
		snprintf(name, sizeof name, "%s-%u", b->prefix, i);
	else
		snprintf(name, sizeof name, "%s", b->prefix);
	memcpy(out, name, CASSIN_NAME_MAX);
	out[CASSIN_NAME_MAX] = '\0';
}

int batch_find(const struct batch *b, const char *name)
{
	char same[CASSIN_NAME_MAX + 1];
	size_t len = strlen(b->prefix);
	if (strncmp(name, b->prefix, len) != 0)
		return -ENOENT;
	unsigned long i = b->numbered && name[len] ? strtoul(name + len + 1, NULL, 10) : 0;
	if (i >= b->count)
		return -ENOENT;
	batch_name(b, (unsigned)i, same);
	return strcmp(name, same) ? -ENOENT : (int)i;
}

int batch_spec(const struct batch *b, unsigned i, struct cassin_guest_spec *out)
{
	*out = b->spec;
	out->name = malloc(CASSIN_NAME_MAX + 1);
	out->ports = calloc(b->spec.nports + b->nbases + 1, sizeof *out->ports);
	if (!out->name || !out->ports) {
		batch_spec_free(out);
		return -ENOMEM;
	}
	batch_name(b, i, out->name);
	if (b->spec.nports)
		memcpy(out->ports, b->spec.ports, b->spec.nports * sizeof *out->ports);
	for (size_t k = 0; k < b->nbases; k++) {
		struct cassin_guest_port *port = &out->ports[out->nports++];
		const char *host = b->bases[k].host;
		int address = (int)(strrchr(host, ':') - host);
		port->guest = b->bases[k].guest;
		snprintf(port->host, sizeof port->host, "%.*s:%lu", address, host, base_port(&b->bases[k]) + i);
	}
	return 0;
}

void batch_spec_free(struct cassin_guest_spec *s)
{
	free(s->name);
	free(s->ports);
	s->name = NULL;
	s->ports = NULL;
}
