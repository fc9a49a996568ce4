/* SPDX-License-Identifier: MIT */
/* Formatted text: %d %i %u %x %X %c %s %p %f %%, with width, precision, - and 0, and the sizes l, ll, z, h.
 * Of the digits that %f shows after the point the first 17 are exact, further ones are 0. */
#ifndef CASSIN_GUEST_FORMAT_H
#define CASSIN_GUEST_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/* As snprintf(): always terminates (size > 0), returns what the whole text would take. */
int cassin_format(char *to, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int cassin_vformat(char *to, size_t size, const char *format, va_list args) __attribute__((format(printf, 3, 0)));

#endif
