/* SPDX-License-Identifier: MIT */
/* echo [PORT]: sends back what it receives, on TCP port PORT (default 7). */
#include <cassin/guest.h>

static uint32_t input(struct cassin_conn *c)
{
	cassin_send(c, c->in, c->in_len);
	return c->in_len;
}

int main(int argc, char **argv)
{
	long long port = argc > 1 ? cassin_parse(argv[1], strlen(argv[1])) : 7;
	if (argc > 2 || port < 1 || port > UINT16_MAX) {
		cassin_print("usage: echo [PORT]\n");
		return 2;
	}
	struct cassin_service service = {.port = (uint16_t)port, .input = input};
	int r = cassin_serve(&service);
	if (r)
		cassin_print("echo: port %d: error %d\n", (int)port, -r);
	return r ? 1 : 0;
}
