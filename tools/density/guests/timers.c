/* SPDX-License-Identifier: MIT */
/*
 * timers [PERIOD_MS [PORT]]
 *
 * Wakes every PERIOD_MS (1000). To whoever sends a byte on PORT (7) it tells, in ns, how late its last timer was, and
 * closes.
 */
#include <cassin/guest.h>

static uint64_t period = 1000000000, due, late;

static uint64_t tick(uint64_t now)
{
	uint64_t phase = 0;
	if (!due) {
		cassin_random(&phase, sizeof phase);
		due = now + period / 2 + phase % period;
	}
	if (now >= due) {
		late = now - due;
		due += (late / period + 1) * period;
	}
	return due;
}

static uint32_t input(struct cassin_conn *c)
{
	char text[32];
	int n = cassin_format(text, sizeof text, "%llu\n", (unsigned long long)late);
	cassin_send(c, text, (size_t)n);
	c->closing = true;
	return c->in_len;
}

int main(int argc, char **argv)
{
	long long ms = argc > 1 ? cassin_parse(argv[1], strlen(argv[1])) : 1000;
	long long port = argc > 2 ? cassin_parse(argv[2], strlen(argv[2])) : 7;
	if (argc > 3 || ms < 1 || ms > 3600000 || port < 1 || port > UINT16_MAX) {
		cassin_print("usage: timers [PERIOD_MS [PORT]]\n");
		return 2;
	}
	period = (uint64_t)ms * 1000000;
	struct cassin_service service = {.port = (uint16_t)port, .input = input, .tick = tick};
	return cassin_serve(&service) ? 1 : 0;
}
