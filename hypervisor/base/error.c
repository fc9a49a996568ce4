/* SPDX-License-Identifier: MIT */
/* Error texts: one line, cut where it does not fit. */
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cassin/spec.h>

/* The length of the UTF-8 character at s, of which `left` bytes are there; 0 if it is none. */
static size_t character(const unsigned char *s, size_t left)
{
	static const unsigned least[] = {0, 0, 0x80, 0x800, 0x10000};
	if (s[0] < 0x80)
		return 1;
	size_t len = s[0] >= 0xf8 ? 0 : s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : s[0] >= 0xc0 ? 2 : 0;
	if (!len || len > left)
		return 0;
	unsigned code = s[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (s[i] & 0x3fu);
	}
	return code < least[len] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : len;
}

/* Controls, the second kind (U+0080 to U+009F) too, by which a terminal may be commanded. */
static bool is_control(const unsigned char *s)
{
	return *s < ' ' || *s == 0x7f || (*s == 0xc2 && s[1] < 0xa0);
}

/* Puts a '?' for every byte that has no place in one line of UTF-8 text: controls and broken characters. */
static void clean(char *text)
{
	unsigned char *s = (unsigned char *)text;
	size_t left = strlen(text);
	while (left) {
		size_t len = character(s, left);
		if (!len || is_control(s)) {
			*s = '?';
			len = 1;
		}
		s += len;
		left -= len;
	}
}

/* Cuts the last bytes off to make room for dots, at the beginning of a character. */
static void cut(char *text, size_t size)
{
	size_t at = size - sizeof "...";
	while (at && ((unsigned char)text[at] & 0xc0) == 0x80)
		at--;
	memcpy(text + at, "...", sizeof "...");
}

int cassin_error_set(struct cassin_error_text *err, int code, const char *format, ...)
{
	struct cassin_error_text line; /* an argument may point into *err */
	if (!err)
		return code;
	va_list args;
	va_start(args, format);
	int n = vsnprintf(line.text, sizeof line.text, format, args);
	va_end(args);
	if (n < 0)
		line.text[0] = '\0';
	else if ((size_t)n >= sizeof line.text)
		cut(line.text, sizeof line.text);
	clean(line.text);
	*err = line;
	return code;
}
