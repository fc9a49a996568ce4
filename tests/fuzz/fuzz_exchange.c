/* SPDX-License-Identifier: MIT */
/* Any bytes as what a guest answers to the load client, in pieces of any size, in each of its protocols. */
#include "fuzz.h"

#include "load/exchange.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum load_kind kinds[] = {LOAD_HTTP, LOAD_KV, LOAD_ECHO, LOAD_LATENESS};
	static char request[EXCHANGE_REQUEST_MAX];
	if (size < 2)
		return 0;
	struct job j = {.kind = kinds[data[0] % 4],
			.path = "/",
			.keys = 10,
			.value_bytes = 16,
			.set_share = data[0] & 4 ? 1 : 0};
	size_t piece = data[1] + 1u;
	struct exchange x;
	size_t n = exchange_begin(&x, &j, data[0] & 8, request);
	MUST(n && n <= sizeof request);
	enum exchange_state state = EXCHANGE_MORE;
	for (size_t at = 2; at < size && state == EXCHANGE_MORE; at += piece) {
		/* Memory of its own, so that a look beyond is seen. */
		size_t len = size - at < piece ? size - at : piece;
		char *bytes = malloc(len);
		MUST(bytes);
		memcpy(bytes, data + at, len);
		state = exchange_feed(&x, bytes, len);
		MUST(x.line_len < sizeof x.line);
		MUST((state == EXCHANGE_BAD) == (x.why != NULL));
		free(bytes);
	}
	return 0;
}
