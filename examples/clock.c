/* SPDX-License-Identifier: MIT */
/*
 * clock [COUNT]
 *
 * Shows the three clocks, once a second: monotonic time, wall time (UTC), and virtual time, which runs only while this
 * guest runs. Reading them takes no exit.
 */
#include <cassin/guest.h>

#define SECOND UINT64_C(1000000000)
#define DAY 86400u
#define DEFAULT_COUNT 3

struct date {
	uint64_t year;
	unsigned month, day;
};

/* The Gregorian calendar, in years that begin in March, so that a leap day comes last. */
static struct date date_of(uint64_t days)
{
	days += 719468;                                       /* from 0000-03-01 to 1970-01-01 */
	uint64_t era = days / 146097, in_era = days % 146097; /* 400 years */
	uint64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
	uint64_t in_year = in_era - (365 * year + year / 4 - year / 100);
	uint64_t month = (5 * in_year + 2) / 153;
	struct date d = {.day = (unsigned)(in_year - (153 * month + 2) / 5 + 1)};
	d.month = (unsigned)(month < 10 ? month + 3 : month - 9);
	d.year = era * 400 + year + (d.month <= 2);
	return d;
}

static void show(void)
{
	uint64_t monotonic = cassin_now(), wall = cassin_wall(), ran = cassin_virtual();
	struct date d = date_of(wall / SECOND / DAY);
	unsigned s = (unsigned)(wall / SECOND % DAY);
	cassin_print("monotonic %llu.%09llu s  wall %04llu-%02u-%02uT%02u:%02u:%02u.%03uZ  virtual %.3f ms\n",
		     (unsigned long long)(monotonic / SECOND), (unsigned long long)(monotonic % SECOND),
		     (unsigned long long)d.year, d.month, d.day, s / 3600, s / 60 % 60, s % 60,
		     (unsigned)(wall % SECOND / 1000000), (double)ran / 1e6);
}

int main(int argc, char **argv)
{
	long long count = argc > 1 ? cassin_parse(argv[1], strlen(argv[1])) : DEFAULT_COUNT;
	if (argc > 2 || count < 0) {
		cassin_print("usage: clock [COUNT]\n");
		return 2;
	}
	uint64_t next = cassin_now();
	while (count--) {
		show();
		next += SECOND;
		if (count)
			cassin_sleep_until(next);
	}
	return 0;
}
