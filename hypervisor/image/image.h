/* SPDX-License-Identifier: MIT */
/*
 * Images: ELF64 guest programs, checked once, read page by page. Pure. An image never changes; it is shared by
 * reference count.
 */
#ifndef IMAGE_H
#define IMAGE_H

#include <stdatomic.h>

#include <cassin/spec.h>

#include "base/blob.h"
#include "base/types.h"
#include "image/symbols.h"

#define IMAGE_SEGMENTS_MAX 16
#define IMAGE_BYTES_MAX (UINT64_C(64) << 20)
#define IMAGE_NOTE_BYTES_MAX                                                                                           \
	(UINT64_C(256) << 10) /* of notes in front of ours, each counted as often as a header shows it */
#define IMAGE_PAGES_MAX (UINT64_C(1) << 24)
#define IMAGE_PIE_BASE UINT64_C(0x400000)
#define IMAGE_VA_END (CASSIN_VA_END - (UINT64_C(64) << 20)) /* room for stack, clock and info above it */

/* A loadable segment in whole pages. */
struct image_segment {
	uint64_t va; /* of its first page, load bias included */
	uint64_t pages;
	uint64_t data_pages;             /* leading pages with content from the file; those after are zero */
	unsigned rights;                 /* CASSIN_READ, ... never write and execute together */
	uint64_t file_offset, file_size; /* of the content */
	uint64_t skew;                   /* where in the first page it starts */
};

struct image {
	atomic_uint refs;
	char *name; /* last component of the path */
	uint64_t entry;
	uint64_t low, high; /* page-aligned range of all segments */
	uint64_t moved;     /* from the addresses in the file */
	size_t nsegments;
	struct image_segment segments[IMAGE_SEGMENTS_MAX]; /* by address */
	struct cassin_blob *file;
	const unsigned char *bytes; /* the file's */
	size_t size;
	struct symbols *symbols; /* NULL: stripped */
};

/* Loads and checks a file. -ENOEXEC (`FILE: what, where and why`), -EBUSY: it is being written to, or the errno of
 * open and read. *id (NULL: of no interest) is the file's when it was read. */
int image_load(struct image **out, const char *path, struct file_id *id, struct cassin_error_text *err);
/* The same from memory; copies the bytes. */
int image_parse(struct image **out, const void *bytes, size_t size, const char *name, struct cassin_error_text *err);
struct image *image_get(struct image *image);
void image_put(struct image *image);             /* NULL is fine */
uint64_t image_bytes(const struct image *image); /* of the host's memory that it takes */

/* Fills `to` (4096 bytes) with the initial content of page `page` of a segment. */
void image_page(const struct image *image, const struct image_segment *s, uint64_t page, void *to);
/* The function that holds va. False: unknown. */
bool image_symbol(const struct image *image, uint64_t va, struct image_symbol *out);

#endif
