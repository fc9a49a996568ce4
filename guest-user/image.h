/* SPDX-License-Identifier: MIT */
/* A program as a file: ELF64 for x86-64, static, at fixed addresses. */
#ifndef USER_IMAGE_H
#define USER_IMAGE_H

#include <stddef.h>
#include <stdint.h>

#define SEGMENTS_MOST 8u

struct segment {
	uint64_t va, size;
	const uint8_t *bytes; /* the first of its bytes; the rest is zero */
	uint64_t file_size;
	uint64_t rights;
};

struct image {
	uint64_t entry;
	unsigned n;
	struct segment segments[SEGMENTS_MOST]; /* ascending, no two share a page */
};

/* Looks through a file, of which nothing is believed. 0, -CASSIN_ENOEXEC. */
int image_read(struct image *i, const uint8_t *bytes, size_t size);

#endif
