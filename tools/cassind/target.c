/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* In place; a decoded zero byte is refused, for nothing here can hold one. */
static int decode(char *text)
{
	char *out = text;
	for (const char *in = text; *in; in++) {
		if (*in != '%') {
			*out++ = *in;
			continue;
		}
		int high = hex(in[1]), low = high < 0 ? -1 : hex(in[2]);
		if (low < 0 || (high == 0 && low == 0))
			return -EINVAL;
		*out++ = (char)(high * 16 + low);
		in += 2;
	}
	*out = '\0';
	return 0;
}

static int queries_parse(struct target *t, char *text)
{
	char *rest = text, *part;
	while ((part = strsep(&rest, "&"))) {
		if (!*part)
			continue;
		if (t->nqueries == TARGET_QUERIES)
			return -EINVAL;
		char *value = strchr(part, '=');
		if (value)
			*value++ = '\0';
		else
			value = part + strlen(part);
		if (decode(part) < 0 || decode(value) < 0)
			return -EINVAL;
		t->queries[t->nqueries].key = part;
		t->queries[t->nqueries++].value = value;
	}
	return 0;
}

/* In absolute form, "http://HOST/a/b", a target's path begins behind the host, of which nothing depends here. */
static char *path_of(char *text)
{
	static const char scheme[] = "http://";
	if (strncasecmp(text, scheme, strlen(scheme)) != 0)
		return text;
	char *host = text + strlen(scheme), *path = host + strcspn(host, "/");
	if (path == host || *path)
		return path == host ? host + strlen(host) : path;
	*--path = '/'; /* none: over the host's last letter */
	return path;
}

int target_parse(struct target *t, char *text)
{
	*t = (struct target){0};
	char *fragment = strchr(text, '#');
	if (fragment)
		*fragment = '\0';
	char *query = strchr(text, '?');
	if (query)
		*query++ = '\0';
	if (*(text = path_of(text)) != '/')
		return -EINVAL;
	char *rest = text + 1, *part;
	while ((part = strsep(&rest, "/"))) {
		if (t->nsegments == TARGET_SEGMENTS || decode(part) < 0)
			return -EINVAL;
		t->segments[t->nsegments++] = part;
	}
	return query ? queries_parse(t, query) : 0;
}

const char *target_query(const struct target *t, const char *key)
{
	for (size_t i = 0; i < t->nqueries; i++)
		if (!strcmp(t->queries[i].key, key))
			return t->queries[i].value;
	return NULL;
}

int target_flag(const struct target *t, const char *key, bool *out)
{
	const char *value = target_query(t, key);
	*out = value && strcmp(value, "0") != 0;
	return !value || !*value || !strcmp(value, "0") || !strcmp(value, "1") ? 0 : -EINVAL;
}

int target_number(const struct target *t, const char *key, uint64_t most, uint64_t *out)
{
	const char *value = target_query(t, key);
	if (!value)
		return 0;
	char *end;
	errno = 0;
	unsigned long long number = strtoull(value, &end, 10);
	if (*value < '0' || *value > '9' || *end || errno || number > most)
		return -EINVAL;
	*out = number;
	return 0;
}
