/* SPDX-License-Identifier: MIT */
/* Any text as a name, a size, an endpoint or a port. The parsers must agree with each other. */
#include "fuzz.h"

#include <cassin/spec.h>

#include "spec/endpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cassin_error_text err = {{0}};
	struct sockaddr_storage address;
	struct cassin_guest_port port;
	socklen_t len = 0;
	uint64_t bytes;
	char *text = fuzz_text(data, size);
	MUST(!cassin_name_valid(text) || (strlen(text) >= 1 && strlen(text) <= CASSIN_NAME_MAX));
	cassin_size_parse(text, &bytes);
	MUST(cassin_endpoint_valid(text) == (endpoint_sockaddr(text, &address, &len) == 0));
	MUST(len <= sizeof address);
	int r = cassin_port_parse(text, &port, &err);
	MUST(r <= 0 && (r != 0) == (err.text[0] != 0));
	MUST(r || (port.guest && cassin_endpoint_valid(port.host)));
	free(text);
	return 0;
}
