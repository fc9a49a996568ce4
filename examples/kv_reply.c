/* SPDX-License-Identifier: MIT */
/* RESP2: replies, and what arguments say. */
#include "kv.h"

#define REPLY_ROOM 64u /* bytes around a bulk string */

void reply_text(struct cassin_conn *c, const char *text)
{
	cassin_send(c, text, strlen(text));
}

void reply_error(struct cassin_conn *c, const char *format, ...)
{
	char text[256];
	va_list list;
	va_start(list, format);
	int n = cassin_vformat(text, sizeof text, format, list);
	va_end(list);
	if (n >= (int)sizeof text)
		n = sizeof text - 1;
	for (int i = 0; i < n; i++) { /* it may quote what the client sent */
		if ((unsigned char)text[i] < ' ')
			text[i] = ' ';
	}
	cassin_send(c, "-", 1);
	cassin_send(c, text, (size_t)n);
	cassin_send(c, "\r\n", 2);
}

void reply_number(struct cassin_conn *c, char mark, long long n)
{
	char text[32];
	int len = cassin_format(text, sizeof text, "%c%lld\r\n", mark, n);
	cassin_send(c, text, (size_t)len);
}

void reply_bulk(struct cassin_conn *c, struct slice s)
{
	if (!cassin_reserve(c, s.len + REPLY_ROOM)) {
		reply_error(c, KV_OUT_OF_MEMORY);
		return;
	}
	reply_number(c, '$', s.len);
	cassin_send(c, s.at, s.len);
	cassin_send(c, "\r\n", 2);
}

void reply_string(struct cassin_conn *c, const char *s)
{
	reply_bulk(c, (struct slice){s, (uint32_t)strlen(s)});
}

void reply_null(struct cassin_conn *c)
{
	reply_text(c, "$-1\r\n");
}

bool slice_is(struct slice s, const char *name)
{
	uint32_t i = 0;
	for (; i < s.len && name[i]; i++) {
		char ch = s.at[i];
		if ((ch >= 'a' && ch <= 'z' ? (char)(ch - 'a' + 'A') : ch) != name[i])
			return false;
	}
	return i == s.len && !name[i];
}

bool slice_number(struct slice s, long long *out)
{
	bool minus = s.len && *s.at == '-';
	if (minus && slice_is(s, "-9223372036854775808")) {
		*out = INT64_MIN;
		return true;
	}
	long long n = cassin_parse(s.at + minus, s.len - minus);
	*out = minus ? -n : n;
	return n >= 0;
}
