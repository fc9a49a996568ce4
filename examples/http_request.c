/* SPDX-License-Identifier: MIT */
#include "http_request.h"

#include <string.h>

#include <cassin/guest.h>

bool slice_is(struct slice s, const char *text)
{
	size_t n = strlen(text);
	return s.len == n && memcmp(s.at, text, n) == 0;
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

bool slice_is_name(struct slice s, const char *text)
{
	uint32_t i = 0;
	while (i < s.len && text[i] && lower(s.at[i]) == text[i])
		i++;
	return i == s.len && !text[i];
}

struct slice slice_cut(struct slice *rest, char stop)
{
	const char *end = memchr(rest->at, stop, rest->len);
	struct slice s = {rest->at, end ? (uint32_t)(end - rest->at) : rest->len};
	uint32_t used = s.len + (end != NULL);
	rest->at += used;
	rest->len -= used;
	return s;
}

struct slice slice_trim(struct slice s)
{
	while (s.len && (*s.at == ' ' || *s.at == '\t')) {
		s.at++;
		s.len--;
	}
	while (s.len && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t' || s.at[s.len - 1] == '\r'))
		s.len--;
	return s;
}

uint32_t request_head_length(const char *in, uint32_t len)
{
	for (uint32_t at = 0; at < len;) {
		const char *end = memchr(in + at, '\n', len - at);
		if (!end)
			return 0;
		uint32_t next = (uint32_t)(end - in) + 1;
		if (next - at == 1 || (next - at == 2 && in[at] == '\r'))
			return next;
		at = next;
	}
	return 0;
}

static bool parse_request_line(struct slice line, struct request *r)
{
	r->method = slice_cut(&line, ' ');
	r->target = slice_cut(&line, ' ');
	struct slice version = slice_trim(line);
	r->http10 = slice_is(version, "HTTP/1.0");
	r->keep_alive = !r->http10;
	for (uint32_t i = 0; i < r->method.len; i++) {
		if (r->method.at[i] < 'A' || r->method.at[i] > 'Z')
			return false;
	}
	return r->method.len && r->target.len && (r->http10 || slice_is(version, "HTTP/1.1"));
}

struct slice request_path(struct slice target)
{
	static const char scheme[] = "http://";
	struct slice none = {target.at, 0}, rest = target;
	if (target.len > sizeof scheme - 1 && memcmp(target.at, scheme, sizeof scheme - 1) == 0) {
		rest.at += sizeof scheme - 1;
		rest.len -= (uint32_t)sizeof scheme - 1;
		const char *slash = memchr(rest.at, '/', rest.len);
		if (!slash)
			return none;
		rest.len -= (uint32_t)(slash - rest.at);
		rest.at = slash;
	}
	return *rest.at == '/' ? slice_cut(&rest, '?') : none;
}

static bool parse_field(struct slice line, struct request *r)
{
	if (!memchr(line.at, ':', line.len) || *line.at == ' ' || *line.at == '\t')
		return false;
	struct slice name = slice_cut(&line, ':'), value = slice_trim(line);
	if (!name.len || name.at[name.len - 1] == ' ')
		return false;
	if (slice_is_name(name, "connection")) {
		while (value.len) {
			struct slice option = slice_trim(slice_cut(&value, ','));
			if (slice_is_name(option, "close"))
				r->keep_alive = false;
			else if (slice_is_name(option, "keep-alive") && r->http10)
				r->keep_alive = true;
		}
	} else if (slice_is_name(name, "content-length")) {
		long long n = cassin_parse(value.at, value.len);
		if (n < 0 || r->expects)
			return false;
		r->length = (uint64_t)n;
		r->expects = true;
	} else if (slice_is_name(name, "transfer-encoding")) {
		r->chunked = true;
	} else if (slice_is_name(name, "expect")) {
		r->continues = slice_is_name(value, "100-continue");
	} else if (slice_is_name(name, "host")) {
		if (r->has_host)
			return false;
		r->has_host = true;
	}
	return true;
}

bool request_parse(struct slice head, struct request *r)
{
	if (!parse_request_line(slice_cut(&head, '\n'), r))
		return false;
	r->fields = head;
	while (head.len) {
		struct slice line = slice_trim(slice_cut(&head, '\n'));
		if (line.len && !parse_field(line, r))
			return false;
	}
	return (r->http10 || r->has_host) && !(r->chunked && r->expects);
}
