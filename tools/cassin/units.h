/* SPDX-License-Identifier: MIT */
/* Quantities for people. */
#ifndef UNITS_H
#define UNITS_H

#include <stdint.h>

#define UNITS_MAX 24

/* "512 B", "24.6 KiB", "1.5 GiB" */
const char *units_size(char out[UNITS_MAX], uint64_t bytes);
/* "850 us", "12.3 ms", "4.2 s", "3m 12s", "2h 05m", "6d 4h" */
const char *units_time(char out[UNITS_MAX], uint64_t ns);

#endif
