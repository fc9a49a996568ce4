/* SPDX-License-Identifier: MIT */
/* @NAME@ [GREETING]: a web service that greets whoever asks for /, and counts them. */
#include <cassin/guest.h>

#define PORT 80

static const char *greeting = "hello from";
static unsigned long greeted;

static void reply(struct cassin_conn *c, const char *status, const char *body)
{
	char head[160];
	int n = cassin_format(
		head, sizeof head,
		"HTTP/1.1 %s\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status,
		strlen(body));
	cassin_send(c, head, (size_t)n);
	cassin_send(c, body, strlen(body));
	c->closing = true;
}

/* The length of a request's head with its empty line; 0: not all of it has come. */
static uint32_t head_length(const char *in, uint32_t len)
{
	for (uint32_t i = 3; i < len; i++)
		if (memcmp(in + i - 3, "\r\n\r\n", 4) == 0)
			return i + 1;
	return 0;
}

static bool asks(const char *in, uint32_t len, const char *what)
{
	return len > strlen(what) && memcmp(in, what, strlen(what)) == 0;
}

/* Says how much of the input is used up: one request, or nothing as long as it is not whole. */
static uint32_t input(struct cassin_conn *c)
{
	uint32_t len = head_length(c->in, c->in_len);
	if (!len)
		return 0;
	if (asks(c->in, len, "GET / ")) {
		char body[256];
		cassin_format(body, sizeof body, "%s %s, request %lu\n", greeting, cassin_name(), ++greeted);
		reply(c, "200 OK", body);
	} else if (asks(c->in, len, "GET ")) {
		reply(c, "404 Not Found", "there is only /\n");
	} else {
		reply(c, "501 Not Implemented", "GET is all that is understood\n");
	}
	return len;
}

int main(int argc, char **argv)
{
	if (argc > 1)
		greeting = argv[1];
	struct cassin_service service = {.port = PORT, .input = input};
	int r = cassin_serve(&service);
	if (r)
		cassin_print("%s: port %d: error %d\n", cassin_name(), PORT, -r);
	return r ? 1 : 0;
}
