/* SPDX-License-Identifier: MIT */
/* Any bytes as what a client sends to the example http, in pieces of any size: what comes back is answers of HTTP/1.1, each with the head
 * that the server writes and none that the client has written. */
#include "fuzz.h"

#include "service.h"

static const char begin[] = "HTTP/1.1 ";
static const char server[] = "\r\nServer: cassin\r\nContent-Type: ";

/* The first answer; and each further one begins where one has ended, so that there are as many beginnings as heads. */
static void look(const char *out, size_t len)
{
	unsigned begins = 0, heads = 0;
	MUST(len >= sizeof begin - 1 && !memcmp(out, begin, sizeof begin - 1));
	for (const char *at = out; (at = memmem(at, len - (size_t)(at - out), begin, sizeof begin - 1)); at++)
		begins++;
	for (const char *at = out; (at = memmem(at, len - (size_t)(at - out), server, sizeof server - 1)); at++)
		heads++;
	MUST(begins == heads);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size)
		service_talk(data + 1, size - 1, data[0] + 1u, look);
	return 0;
}
