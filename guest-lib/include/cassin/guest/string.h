/* SPDX-License-Identifier: MIT */
/* The little of <string.h> that guests and compilers need. */
#ifndef CASSIN_GUEST_STRING_H
#define CASSIN_GUEST_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *p, int byte, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
/* Decimal digits only, no sign. -1: no number, or one that exceeds int64_t. */
long long cassin_parse(const char *s, size_t len);

#endif
