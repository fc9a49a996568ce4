/* SPDX-License-Identifier: MIT */
/* Function names of an image, for crash reports. */
#ifndef SYMBOLS_H
#define SYMBOLS_H

#include <stddef.h>
#include <stdint.h>

struct symbols;

/* Reads .symtab and .strtab of an ELF64 file that may be hostile; `bias` is added to each address. NULL: none, or not
 * sound. */
struct symbols *symbols_read(const unsigned char *bytes, size_t size, uint64_t bias);
void symbols_free(struct symbols *s);
const char *symbols_find(const struct symbols *s, uint64_t va, uint64_t *offset);

#endif
