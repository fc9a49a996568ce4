/* SPDX-License-Identifier: MIT */
#include "service.h"

#include "fuzz.h"

#include "stream_buffers.h"

#define INPUT_DEFAULT 65536u

int service_main(int argc, char **argv); /* the service's main(), by another name */

static struct cassin_service service;

int cassin_serve(const struct cassin_service *s)
{
	service = *s;
	return 0;
}

uint32_t cassin_connections(void)
{
	return 1;
}

bool cassin_send(struct cassin_conn *c, const void *bytes, size_t len)
{
	return conn_append(c, bytes, len);
}

/* One piece has come. The service's looks at its input end, and each uses up what is there. */
static void consume(struct cassin_conn *c, uint32_t most, void (*look)(const char *out, size_t len))
{
	do {
		conn_consume(c, &service, most);
		MUST(c->in_len <= c->in_size);
		if (c->out_len)
			look(c->out, c->out_len);
		c->out_len = 0;
	} while (c->stalled && !c->closing);
}

void service_talk(const uint8_t *bytes, size_t size, size_t piece, void (*look)(const char *out, size_t len))
{
	static char name[] = "service", *argv[] = {name, NULL};
	struct cassin_conn c = {.handle = 3};
	if (!service.input)
		MUST(service_main(1, argv) == 0 && service.input);
	uint32_t most = service.input_max ? service.input_max : INPUT_DEFAULT;
	MUST(!service.open || service.open(&c));
	for (size_t at = 0, n; at < size && !c.closing; at += n) {
		if (!conn_make_room(&c, most))
			break;
		n = c.in_size - c.in_len;
		n = n < piece ? n : piece;
		n = n < size - at ? n : size - at;
		memcpy(c.in + c.in_len, bytes + at, n);
		c.in_len += (uint32_t)n;
		consume(&c, most, look);
		c.full = c.in_len == c.in_size;
	}
	if (service.close)
		service.close(&c);
	if (service.tick)
		service.tick(cassin_now());
	conn_drop_output(&c);
	cassin_free(c.in_buffer);
}
