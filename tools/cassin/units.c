/* SPDX-License-Identifier: MIT */
#include "units.h"

#include <stdio.h>

const char *units_size(char out[UNITS_MAX], uint64_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	if (bytes < 1024) {
		snprintf(out, UNITS_MAX, "%u B", (unsigned)bytes);
		return out;
	}
	double value = (double)bytes / 1024;
	unsigned unit = 0;
	while (value >= 1000 && unit < 3) {
		value /= 1024;
		unit++;
	}
	snprintf(out, UNITS_MAX, value < 99.95 ? "%.1f %s" : "%.0f %s", value, units[unit]);
	return out;
}

const char *units_time(char out[UNITS_MAX], uint64_t ns)
{
	uint64_t s = ns / 1000000000;
	if (ns < 1000000)
		snprintf(out, UNITS_MAX, "%u us", (unsigned)(ns / 1000));
	else if (ns < 1000000000)
		snprintf(out, UNITS_MAX, "%.1f ms", (double)ns / 1e6);
	else if (s < 60)
		snprintf(out, UNITS_MAX, "%.1f s", (double)ns / 1e9);
	else if (s < 3600)
		snprintf(out, UNITS_MAX, "%um %02us", (unsigned)(s / 60), (unsigned)(s % 60));
	else if (s < 86400)
		snprintf(out, UNITS_MAX, "%uh %02um", (unsigned)(s / 3600), (unsigned)(s / 60 % 60));
	else
		snprintf(out, UNITS_MAX, "%ud %02uh", (unsigned)(s / 86400), (unsigned)(s / 3600 % 24));
	return out;
}
