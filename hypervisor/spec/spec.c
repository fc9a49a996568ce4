/* SPDX-License-Identifier: MIT */
#include <cassin/spec.h>

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec/endpoint.h"
#include "spec/spec_files.h"
#include "spec/spec_words.h"

#define PAGE_BYTES 4096

/* A spec under check: its name in errors, and where the error goes. */
struct check {
	const struct cassin_guest_spec *spec;
	const char *where;
	struct cassin_error_text *err;
};

#define REFUSE(c, format, ...) cassin_error_set((c)->err, -EINVAL, "%s: " format, (c)->where, __VA_ARGS__)

/* ---- Life ---- */

void cassin_spec_init(struct cassin_guest_spec *s)
{
	*s = (struct cassin_guest_spec){
		.memory = CASSIN_MEMORY_DEFAULT,
		.streams = CASSIN_STREAMS_DEFAULT,
		.weight = CASSIN_WEIGHT_DEFAULT,
		.cpu_period_us = CASSIN_CPU_PERIOD_DEFAULT,
		.isolation = CASSIN_ISOLATION_CELL,
		.restart = CASSIN_RESTART_NO,
	};
}

void cassin_spec_free(struct cassin_guest_spec *s)
{
	for (size_t i = 0; i < s->nargs; i++)
		free(s->args[i]);
	free(s->args);
	free(s->name);
	free(s->image);
	free(s->from_template);
	free(s->domain);
	free(s->ports);
	free(s->connects);
	spec_files_free(s);
	s->args = NULL;
	s->name = s->image = s->from_template = s->domain = NULL;
	s->ports = NULL;
	s->connects = NULL;
	s->nargs = s->nports = s->nconnects = 0;
}

static bool copy_text(char **to, const char *from)
{
	*to = from ? strdup(from) : NULL;
	return *to || !from;
}

static bool copy_array(void *to, const void *from, size_t n, size_t size)
{
	void *copy = n ? malloc(n * size) : NULL;
	if (copy)
		memcpy(copy, from, n * size);
	memcpy(to, &copy, sizeof copy);
	return copy || !n;
}

static bool copy_args(struct cassin_guest_spec *to, const struct cassin_guest_spec *from)
{
	to->args = from->nargs ? calloc(from->nargs, sizeof *to->args) : NULL;
	if (from->nargs && !to->args)
		return false;
	for (; to->nargs < from->nargs; to->nargs++)
		if (!copy_text(&to->args[to->nargs], from->args[to->nargs]))
			return false;
	return true;
}

int cassin_spec_copy(struct cassin_guest_spec *to, const struct cassin_guest_spec *from)
{
	*to = (struct cassin_guest_spec){
		.memory = from->memory,
		.streams = from->streams,
		.weight = from->weight,
		.cpu_quota_us = from->cpu_quota_us,
		.cpu_period_us = from->cpu_period_us,
		.isolation = from->isolation,
		.restart = from->restart,
		.restart_max = from->restart_max,
	};
	bool done = copy_text(&to->name, from->name) && copy_text(&to->image, from->image) &&
		    copy_text(&to->from_template, from->from_template) &&
		    copy_text(&to->domain, from->domain ? from->domain : "default") && copy_args(to, from) &&
		    spec_files_copy(to, from) &&
		    copy_array(&to->ports, from->ports, from->nports, sizeof *from->ports) &&
		    copy_array(&to->connects, from->connects, from->nconnects, sizeof *from->connects);
	if (!done) {
		cassin_spec_free(to);
		return -ENOMEM;
	}
	to->nports = from->nports;
	to->nconnects = from->nconnects;
	return 0;
}

/* ---- Words ---- */

bool cassin_name_valid(const char *name)
{
	static const char first[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	static const char rest[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
	if (!name || !name[0] || !strchr(first, name[0]))
		return false;
	size_t len = strspn(name, rest);
	return !name[len] && len <= CASSIN_NAME_MAX;
}

/* The digits at the beginning of text: how many, and whether their number is too large. */
static size_t take_digits(const char *text, uint64_t *value, bool *over)
{
	size_t len = strspn(text, "0123456789");
	*value = 0;
	for (size_t i = 0; i < len; i++)
		*over |= __builtin_mul_overflow(*value, 10u, value) ||
			 __builtin_add_overflow(*value, (unsigned)(text[i] - '0'), value);
	return len;
}

int cassin_size_parse(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMG";
	uint64_t value;
	bool over = false;
	size_t len = take_digits(text, &value, &over);
	const char *unit = text[len] ? strchr(units, text[len]) : NULL;
	if (!len || (text[len] && (!unit || text[len + 1])))
		return -EINVAL;
	if (unit)
		over |= __builtin_mul_overflow(value, UINT64_C(1024) << 10 * (unit - units), &value);
	if (over)
		return -ERANGE;
	*bytes = value;
	return 0;
}

int cassin_cpu_max_parse(const char *text, uint64_t *quota_us, uint64_t *period_us)
{
	uint64_t quota = 0, period = CASSIN_CPU_PERIOD_DEFAULT;
	bool over = false, capped = strncmp(text, "max", 3) != 0;
	size_t len = capped ? take_digits(text, &quota, &over) : 3;
	const char *rest = text + len;
	if (!len || (*rest && *rest != ' '))
		return -EINVAL;
	if (*rest) {
		len = take_digits(rest + 1, &period, &over);
		if (!len || rest[1 + len])
			return -EINVAL;
	}
	if (over || (capped && !quota))
		return -ERANGE;
	*quota_us = quota;
	*period_us = period;
	return 0;
}

void cassin_cpu_max_format(uint64_t quota_us, uint64_t period_us, char *text)
{
	if (quota_us)
		snprintf(text, CASSIN_CPU_MAX_TEXT, "%" PRIu64 " %" PRIu64, quota_us, period_us);
	else
		snprintf(text, CASSIN_CPU_MAX_TEXT, "max %" PRIu64, period_us);
}

/* JSON text, logs and answers are UTF-8, so all text of a spec must be. */
bool utf8_valid(const char *text, size_t len)
{
	json_t *string = json_stringn(text, len);
	json_decref(string);
	return string;
}

static bool text_valid(const char *text)
{
	return utf8_valid(text, strlen(text));
}

/* ---- Checks ---- */

#define NAME_RULE "must be letters, digits, '.', '_' and '-', at most %d, the first a letter or a digit, not \"%.*s\""
#define SHOWN 80 /* bytes of a bad word that an error quotes */

static int check_names(const struct check *c)
{
	const struct cassin_guest_spec *s = c->spec;
	if (!s->name)
		return REFUSE(c, "%s: is missing", "name");
	if (!cassin_name_valid(s->name))
		return REFUSE(c, "name: " NAME_RULE, CASSIN_NAME_MAX, SHOWN, s->name);
	if (s->domain && !cassin_name_valid(s->domain))
		return REFUSE(c, "domain: " NAME_RULE, CASSIN_NAME_MAX, SHOWN, s->domain);
	return 0;
}

/* Where it begins: an image, or a template that has one already. */
static int check_origin(const struct check *c)
{
	const struct cassin_guest_spec *s = c->spec;
	if (s->from_template && !cassin_name_valid(s->from_template))
		return REFUSE(c, "template: " NAME_RULE, CASSIN_NAME_MAX, SHOWN, s->from_template);
	if (s->from_template && s->image)
		return REFUSE(c, "%s: a clone has its template's, so it must be absent", "image");
	if (s->from_template && s->nargs)
		return REFUSE(c, "%s: a clone has its template's, so they must be absent", "args");
	if (s->from_template)
		return 0;
	if (!s->image)
		return REFUSE(c, "%s: is missing", "image");
	if (!s->image[0])
		return REFUSE(c, "%s: is empty", "image");
	if (strlen(s->image) >= PATH_MAX)
		return REFUSE(c, "image: the path has %zu bytes, at most %d", strlen(s->image), PATH_MAX - 1);
	if (!text_valid(s->image))
		return REFUSE(c, "%s: is not UTF-8", "image");
	return 0;
}

static int check_numbers(const struct check *c)
{
	const struct cassin_guest_spec *s = c->spec;
	if (s->memory < CASSIN_MEMORY_MIN || s->memory > CASSIN_MEMORY_MAX)
		return REFUSE(c, "memory: must be from 64K to 64G, not %" PRIu64 " bytes", s->memory);
	if (s->memory % PAGE_BYTES)
		return REFUSE(c, "memory: must be a multiple of %d bytes, not %" PRIu64, PAGE_BYTES, s->memory);
	if (!s->streams || s->streams > CASSIN_STREAMS_MAX)
		return REFUSE(c, "streams: must be a number from 1 to %u, not %u", CASSIN_STREAMS_MAX, s->streams);
	if (!s->weight || s->weight > CASSIN_WEIGHT_MAX)
		return REFUSE(c, "weight: must be a number from 1 to %u, not %u", CASSIN_WEIGHT_MAX, s->weight);
	if (s->isolation != CASSIN_ISOLATION_CELL && s->isolation != CASSIN_ISOLATION_VM)
		return REFUSE(c, "isolation: no kind %d", (int)s->isolation);
	if (s->restart != CASSIN_RESTART_NO && s->restart != CASSIN_RESTART_ON_FAILURE &&
	    s->restart != CASSIN_RESTART_ALWAYS)
		return REFUSE(c, "restart: no policy %d", (int)s->restart);
	return 0;
}

static int check_cpu_max(const struct check *c)
{
	uint64_t quota = c->spec->cpu_quota_us, period = c->spec->cpu_period_us;
	if (period < CASSIN_CPU_PERIOD_MIN || period > CASSIN_CPU_PERIOD_MAX)
		return REFUSE(c, "cpu_max: the period must be from %" PRIu64 " to %" PRIu64 " us, not %" PRIu64,
			      CASSIN_CPU_PERIOD_MIN, CASSIN_CPU_PERIOD_MAX, period);
	if (quota && (quota < CASSIN_CPU_QUOTA_MIN || quota > CASSIN_CPU_QUOTA_PERIODS * period))
		return REFUSE(c,
			      "cpu_max: the quota must be from %" PRIu64 " us to %" PRIu64 " periods (%" PRIu64
			      " us), not %" PRIu64,
			      CASSIN_CPU_QUOTA_MIN, CASSIN_CPU_QUOTA_PERIODS, CASSIN_CPU_QUOTA_PERIODS * period, quota);
	return 0;
}

static int check_args(const struct check *c)
{
	const struct cassin_guest_spec *s = c->spec;
	size_t bytes = strlen(s->name) + 1;
	if (s->nargs > CASSIN_ARGS_MAX)
		return REFUSE(c, "args: %zu of them, at most %d", s->nargs, CASSIN_ARGS_MAX);
	for (size_t i = 0; i < s->nargs; i++) {
		if (!text_valid(s->args[i]))
			return REFUSE(c, "args[%zu]: is not UTF-8", i);
		bytes += strlen(s->args[i]) + 1;
	}
	if (bytes > CASSIN_ARGS_BYTES)
		return REFUSE(c, "args: %zu bytes with the guest's name and the zeros that end each, at most %d", bytes,
			      CASSIN_ARGS_BYTES);
	return 0;
}

#define ENDPOINT_RULE "must be \"tcp:ADDR:PORT\" or \"unix:PATH\", not \"%.*s\""

static bool text_ends(const char *text, size_t size)
{
	return memchr(text, '\0', size);
}

static bool same_endpoint(const char *a, const char *b)
{
	struct sockaddr_storage x, y;
	socklen_t xlen, ylen;
	return endpoint_sockaddr(a, &x, &xlen) == 0 && endpoint_sockaddr(b, &y, &ylen) == 0 && xlen == ylen &&
	       !memcmp(&x, &y, xlen);
}

static int check_ports(const struct check *c)
{
	const struct cassin_guest_spec *s = c->spec;
	if (s->nports > CASSIN_PORTS_MAX)
		return REFUSE(c, "ports: %zu of them, at most %d", s->nports, CASSIN_PORTS_MAX);
	for (size_t i = 0; i < s->nports; i++) {
		const struct cassin_guest_port *p = &s->ports[i];
		if (!text_ends(p->host, sizeof p->host) || !cassin_endpoint_valid(p->host) || !text_valid(p->host))
			return REFUSE(c, "ports[%zu].host: " ENDPOINT_RULE, i, CASSIN_ENDPOINT_MAX, p->host);
		if (!p->guest)
			return REFUSE(c, "ports[%zu].guest: must be a number from 1 to 65535, not 0", i);
		for (size_t k = 0; k < i; k++) {
			if (same_endpoint(p->host, s->ports[k].host))
				return REFUSE(c, "ports[%zu].host: \"%s\" is the host end of ports[%zu] already", i,
					      p->host, k);
			if (p->guest == s->ports[k].guest)
				return REFUSE(c, "ports[%zu].guest: %u is the guest's end of ports[%zu] already", i,
					      p->guest, k);
		}
	}
	return 0;
}

static int check_connects(const struct check *c)
{
	const struct cassin_guest_spec *s = c->spec;
	if (s->nconnects > CASSIN_CONNECT_MAX)
		return REFUSE(c, "connect: %zu of them, at most %d", s->nconnects, CASSIN_CONNECT_MAX);
	for (size_t i = 0; i < s->nconnects; i++) {
		const struct cassin_guest_connect *t = &s->connects[i];
		if (!text_ends(t->name, sizeof t->name) || !cassin_name_valid(t->name))
			return REFUSE(c, "connect[%zu].name: " NAME_RULE, i, CASSIN_NAME_MAX, CASSIN_NAME_MAX, t->name);
		if (!text_ends(t->target, sizeof t->target) || !cassin_endpoint_valid(t->target) ||
		    !text_valid(t->target))
			return REFUSE(c, "connect[%zu].target: " ENDPOINT_RULE, i, CASSIN_ENDPOINT_MAX, t->target);
		for (size_t k = 0; k < i; k++)
			if (!strcmp(t->name, s->connects[k].name))
				return REFUSE(c, "connect[%zu].name: \"%s\" is the name of connect[%zu] already", i,
					      t->name, k);
	}
	return 0;
}

int cassin_spec_check(const struct cassin_guest_spec *s, const char *where, struct cassin_error_text *err)
{
	const struct check c = {.spec = s, .where = where, .err = err};
	int r = check_names(&c);
	if (!r)
		r = check_origin(&c);
	if (!r)
		r = check_numbers(&c);
	if (!r)
		r = check_cpu_max(&c);
	if (!r)
		r = check_args(&c);
	if (!r)
		r = check_ports(&c);
	if (!r)
		r = check_connects(&c);
	if (!r)
		r = spec_files_check(s, where, err);
	return r;
}
