/* SPDX-License-Identifier: MIT */
#include <cassin/text.h>

#include <string.h>

/* The letter behind the '\' of a byte that has one; 0: it has none. */
static char letter_of(unsigned char byte)
{
	switch (byte) {
	case '\n':
		return 'n';
	case '\r':
		return 'r';
	case '\t':
		return 't';
	case '"':
	case '\\':
		return (char)byte;
	default:
		return 0;
	}
}

static size_t escape_byte(char *out, unsigned char byte)
{
	static const char digits[] = "0123456789abcdef";
	char letter = letter_of(byte);
	if (!letter && byte >= ' ' && byte < 0x7f) {
		out[0] = (char)byte;
		return 1;
	}
	out[0] = '\\';
	out[1] = letter ? letter : 'x';
	if (letter)
		return 2;
	out[2] = digits[byte >> 4];
	out[3] = digits[byte & 15];
	return 4;
}

size_t cassin_text_escape(char out[CASSIN_TEXT_ESCAPED], const void *bytes, size_t len)
{
	const unsigned char *from = bytes;
	size_t n = 0, shown = len < CASSIN_TEXT_SHOWN ? len : CASSIN_TEXT_SHOWN;
	for (size_t i = 0; i < shown; i++)
		n += escape_byte(out + n, from[i]);
	memcpy(out + n, "...", sizeof "...");
	if (shown < len)
		return n + 3;
	out[n] = '\0';
	return n;
}
