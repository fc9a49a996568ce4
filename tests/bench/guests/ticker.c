/* SPDX-License-Identifier: MIT */
/* ticker N: wakes each 10 ms, N times, and prints by how many microseconds it was late at most. */
#include <cassin/guest.h>

#define TICK_NS 10000000ul

int main(int argc, char **argv)
{
	int64_t n = argc > 1 ? cassin_parse(argv[1], strlen(argv[1])) : 1;
	uint64_t worst = 0;
	while (n--) {
		uint64_t at = cassin_now() + TICK_NS;
		cassin_sleep_until(at);
		uint64_t late = cassin_now() - at;
		worst = late > worst ? late : worst;
	}
	cassin_print("%llu\n", (unsigned long long)(worst / 1000));
	return 0;
}
