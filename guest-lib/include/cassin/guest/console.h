/* SPDX-License-Identifier: MIT */
/* The console. */
#ifndef CASSIN_GUEST_CONSOLE_H
#define CASSIN_GUEST_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

/* Writes bytes: one exit for each 4096. */
void cassin_write(const void *bytes, size_t len);
/* Formats (see format.h) and writes, one exit; at most 512 bytes. */
void cassin_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Waits for input. Bytes read, 0 at its end. */
int32_t cassin_read(void *to, uint32_t len);

#endif
