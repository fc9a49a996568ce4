/* SPDX-License-Identifier: MIT */
#include "kernel_private.h"

#define LINE_MOST 512u
#define DAY UINT64_C(86400)
#define DAYS_OF_4_YEARS 1461u
#define DAYS_OF_CENTURY 36524u
#define DAYS_OF_ERA 146097u  /* 400 years */
#define DAYS_TO_1970 719468u /* from 0000-03-01, where eras begin: a leap day is the last of its year then */

static enum cassin_log_level shown = CASSIN_LOG_INFO;

struct date {
	unsigned year, month, day;
};

/* The Gregorian date of a day since 1970-01-01. */
static struct date date_of(uint64_t day)
{
	uint64_t since = day + DAYS_TO_1970, era = since / DAYS_OF_ERA;
	unsigned in_era = (unsigned)(since % DAYS_OF_ERA);
	unsigned year = (in_era - in_era / (DAYS_OF_4_YEARS - 1) + in_era / DAYS_OF_CENTURY -
			 in_era / (DAYS_OF_ERA - 1)) /
			365;
	unsigned in_year = in_era - (365 * year + year / 4 - year / 100);
	unsigned month = (5 * in_year + 2) / 153; /* months from March have 153 days in five */
	bool next = month >= 10;
	return (struct date){
		.year = (unsigned)(era * 400) + year + next,
		.month = next ? month - 9 : month + 3,
		.day = in_year - (153 * month + 2) / 5 + 1,
	};
}

void cassin_log_show(enum cassin_log_level level)
{
	shown = level;
}

void cassin_log(enum cassin_log_level level, const char *format, ...)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	char line[LINE_MOST];
	va_list args;
	if (level > shown)
		return;
	uint64_t ms = cassin_wall() / 1000000, s = ms / 1000;
	struct date d = date_of(s / DAY);
	int head = cassin_format(line, sizeof line, "%u-%02u-%02uT%02u:%02u:%02u.%03uZ %s %s: ", d.year, d.month, d.day,
				 (unsigned)(s % DAY / 3600), (unsigned)(s / 60 % 60), (unsigned)(s % 60),
				 (unsigned)(ms % 1000), names[level], kernel.current->name);
	va_start(args, format);
	int n = head + cassin_vformat(line + head, sizeof line - (size_t)head, format, args);
	va_end(args);
	size_t len = n < (int)sizeof line ? (size_t)n : sizeof line - 1;
	line[len] = '\n'; /* where the zero was */
	cassin_write(line, len + 1);
}
