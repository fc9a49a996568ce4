/* SPDX-License-Identifier: MIT */
/* Function names of an image, for crash reports. */
#ifndef SYMBOLS_H
#define SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SYMBOLS_MOST (UINT32_C(1) << 18) /* an image with more is taken for one without */
#define SYMBOL_NAME_MOST 129u /* bytes of a name that are looked at: what is shown, and whether there is more */

struct symbols;

/* The function that holds an address. */
struct image_symbol {
	const char *name; /* in the file, not zero-terminated: any bytes but zero */
	size_t len;       /* from 1 to SYMBOL_NAME_MOST, where it is cut */
	uint64_t offset;  /* of the address in the function */
};

/* Reads .symtab and .strtab of an ELF64 file that may be hostile, whose bytes must outlive the result; `bias` is added to each
 * address. NULL: none, too many, or not sound. */
struct symbols *symbols_read(const unsigned char *bytes, size_t size, uint64_t bias);
void symbols_free(struct symbols *s);            /* NULL is fine */
uint64_t symbols_bytes(const struct symbols *s); /* of memory; NULL is fine */
/* False: no symbol holds va. */
bool symbols_find(const struct symbols *s, uint64_t va, struct image_symbol *out);

#endif
