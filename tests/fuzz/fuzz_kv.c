/* SPDX-License-Identifier: MIT */
/* Any bytes as what a client sends to the example kv, in pieces of any size: what comes back is whole replies of RESP2, whatever keys,
 * values and names hold. */
#include "fuzz.h"

#include "kv_store.h"
#include "service.h"

#define DEPTH_MOST 8u

static size_t line_end(const char *out, size_t len, size_t at)
{
	const char *end = memmem(out + at, len - at, "\r\n", 2);
	MUST(end);
	return (size_t)(end - out) + 2;
}

/* Where the reply at `at` ends. */
static size_t reply_end(const char *out, size_t len, size_t at, unsigned depth)
{
	MUST(at < len && depth < DEPTH_MOST && strchr("+-:$*", out[at]));
	size_t next = line_end(out, len, at);
	if (out[at] == '+' || out[at] == '-' || out[at] == ':')
		return next;
	long long n = strtoll(out + at + 1, NULL, 10);
	MUST(n >= -1 && n <= (long long)len);
	if (out[at] == '$') {
		MUST(n < 0 || (next + (size_t)n + 2 <= len && !memcmp(out + next + n, "\r\n", 2)));
		return n < 0 ? next : next + (size_t)n + 2;
	}
	for (; n > 0; n--)
		next = reply_end(out, len, next, depth + 1);
	return next;
}

static void look(const char *out, size_t len)
{
	for (size_t at = 0; at < len;)
		at = reply_end(out, len, at, 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool begun;
	if (size)
		service_talk(data + 1, size - 1, data[0] + 1u, look);
	begun |= size != 0;
	if (begun)
		store_clear();
	return 0;
}
