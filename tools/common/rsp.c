/* SPDX-License-Identifier: MIT */
#include "rsp.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ESCAPE '}'
#define ESCAPE_XOR 0x20
#define FRAME 4u /* "$" and "#xx" */

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* ---- Packets ---- */

static enum rsp_input between(struct rsp *r, unsigned char byte)
{
	switch (byte) {
	case '$':
		r->state = RSP_INSIDE;
		r->len = r->sum = 0;
		r->damaged = false;
		return RSP_NOTHING;
	case '+':
		return RSP_ACK;
	case '-':
		return RSP_NAK;
	case 3:
		return RSP_INTERRUPT;
	default:
		return RSP_NOTHING;
	}
}

static enum rsp_input add(struct rsp *r, unsigned char byte)
{
	if (r->len == RSP_PACKET_MAX) {
		r->state = RSP_LOST;
		return RSP_TOO_LONG;
	}
	r->packet[r->len++] = (char)byte;
	return RSP_NOTHING;
}

static enum rsp_input inside(struct rsp *r, unsigned char byte)
{
	if (byte == '$') /* the one before was never ended */
		return between(r, byte);
	if (byte == '#') {
		r->state = RSP_SUM_HIGH;
		return RSP_NOTHING;
	}
	r->sum = (unsigned char)(r->sum + byte);
	if (byte == ESCAPE) {
		r->state = RSP_ESCAPED;
		return RSP_NOTHING;
	}
	return add(r, byte);
}

static enum rsp_input finish(struct rsp *r)
{
	r->state = RSP_BETWEEN;
	r->packet[r->len] = '\0';
	return r->damaged || r->sum_received != r->sum ? RSP_DAMAGED : RSP_PACKET;
}

enum rsp_input rsp_feed(struct rsp *r, unsigned char byte)
{
	switch (r->state) {
	case RSP_BETWEEN:
		return between(r, byte);
	case RSP_INSIDE:
		return inside(r, byte);
	case RSP_ESCAPED:
		r->sum = (unsigned char)(r->sum + byte);
		r->state = RSP_INSIDE;
		return add(r, byte ^ ESCAPE_XOR);
	case RSP_SUM_HIGH:
	case RSP_SUM_LOW:
		r->damaged |= digit((char)byte) < 0;
		r->sum_received = (unsigned char)(r->sum_received << 4 | (digit((char)byte) & 15));
		if (r->state == RSP_SUM_LOW)
			return finish(r);
		r->state = RSP_SUM_LOW;
		return RSP_NOTHING;
	case RSP_LOST:
		break;
	}
	return RSP_TOO_LONG;
}

/* ---- Replies ---- */

void rsp_begin(struct rsp_reply *r)
{
	r->len = 1;
	r->full = false;
	r->bytes[0] = '$';
}

/* Room for n more bytes, with the end of the frame behind them. */
static bool room(struct rsp_reply *r, size_t n)
{
	if (n > sizeof r->bytes - FRAME - r->len)
		r->full = true;
	return !r->full;
}

void rsp_put(struct rsp_reply *r, const char *format, ...)
{
	char text[512];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (n < 0 || n >= (int)sizeof text || !room(r, (size_t)n)) {
		r->full = true;
		return;
	}
	memcpy(r->bytes + r->len, text, (size_t)n);
	r->len += (size_t)n;
}

void rsp_put_hex(struct rsp_reply *r, const void *bytes, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	const unsigned char *from = bytes;
	if (!room(r, 2 * len))
		return;
	for (size_t i = 0; i < len; i++) {
		r->bytes[r->len++] = digits[from[i] >> 4];
		r->bytes[r->len++] = digits[from[i] & 15];
	}
}

void rsp_put_binary(struct rsp_reply *r, const void *bytes, size_t len)
{
	const char *from = bytes;
	if (!room(r, 2 * len))
		return;
	for (size_t i = 0; i < len; i++) {
		bool escape = from[i] == ESCAPE || from[i] == '#' || from[i] == '$' || from[i] == '*';
		if (escape)
			r->bytes[r->len++] = ESCAPE;
		r->bytes[r->len++] = (char)(escape ? from[i] ^ ESCAPE_XOR : from[i]);
	}
}

void rsp_end(struct rsp_reply *r)
{
	unsigned char sum = 0;
	for (size_t i = 1; i < r->len; i++)
		sum = (unsigned char)(sum + (unsigned char)r->bytes[i]);
	r->bytes[r->len++] = '#';
	rsp_put_hex(r, &sum, 1);
}

/* ---- Content ---- */

bool rsp_number(const char **text, uint64_t *out)
{
	const char *at = *text;
	*out = 0;
	while (digit(*at) >= 0) {
		if (*out >> 60)
			return false;
		*out = *out << 4 | (unsigned)digit(*at++);
	}
	bool any = at != *text;
	*text = at;
	return any;
}

bool rsp_take(const char **text, char c)
{
	if (**text != c)
		return false;
	++*text;
	return true;
}

bool rsp_bytes(const char *digits, size_t count, void *out)
{
	unsigned char *to = out;
	for (size_t i = 0; i < count; i++) {
		int high = digit(digits[2 * i]), low = high < 0 ? -1 : digit(digits[2 * i + 1]);
		if (low < 0)
			return false;
		to[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}
