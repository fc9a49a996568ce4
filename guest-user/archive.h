/* SPDX-License-Identifier: MIT */
/* An archive in the "newc" format of cpio, as Linux's initramfs has it. */
#ifndef USER_ARCHIVE_H
#define USER_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct archive {
	const uint8_t *bytes;
	size_t size;
};

struct archive_file {
	const char *name; /* in the archive, with its zero; without a leading "./" */
	const uint8_t *bytes;
	size_t size;
	bool regular;
};

/* The file at *at (0: the first), which moves on. 1, 0: the end, -CASSIN_EINVAL: malformed. */
int archive_next(const struct archive *a, size_t *at, struct archive_file *out);
/* Whether it is well formed up to its end. */
bool archive_good(const struct archive *a);
/* Regular files only. */
bool archive_find(const struct archive *a, const char *name, struct archive_file *out);
bool archive_nth(const struct archive *a, unsigned n, struct archive_file *out);

#endif
