/* SPDX-License-Identifier: MIT */
/* Kernel documentation, driver-api/early-userspace/buffer-format: magic, 13 numbers of eight hexadecimal digits, name, data;
 * name and data end at a multiple of four. */
#include "archive.h"

#include <cassin/guest.h>

#define HEADER 110u
#define MAGIC 6u
#define DIGITS 8u
#define TYPE UINT32_C(0170000)
#define REGULAR UINT32_C(0100000)

enum field { FIELD_MODE = 1, FIELD_FILE_SIZE = 6, FIELD_NAME_SIZE = 11, FIELDS = 13 };

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool number(const char *at, uint32_t *out)
{
	*out = 0;
	for (unsigned i = 0; i < DIGITS; i++) {
		int d = digit(at[i]);
		if (d < 0)
			return false;
		*out = *out << 4 | (uint32_t)d;
	}
	return true;
}

static bool read_header(const char *at, uint32_t fields[FIELDS])
{
	if (memcmp(at, "070701", MAGIC) != 0 && memcmp(at, "070702", MAGIC) != 0)
		return false;
	for (unsigned i = 0; i < FIELDS; i++) {
		if (!number(at + MAGIC + i * DIGITS, &fields[i]))
			return false;
	}
	return true;
}

/* Sizes are 32 bits wide, so that sums of a few fit. */
static size_t padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

int archive_next(const struct archive *a, size_t *at, struct archive_file *out)
{
	uint32_t fields[FIELDS];
	if (*at > a->size || a->size - *at < HEADER)
		return -CASSIN_EINVAL;
	const char *header = (const char *)a->bytes + *at;
	size_t left = a->size - *at;
	if (!read_header(header, fields))
		return -CASSIN_EINVAL;
	size_t name_size = fields[FIELD_NAME_SIZE], size = fields[FIELD_FILE_SIZE];
	size_t data = padded(HEADER + name_size);
	if (!name_size || data > left || size > left - data || header[HEADER + name_size - 1])
		return -CASSIN_EINVAL;
	out->name = header + HEADER;
	if (strcmp(out->name, "TRAILER!!!") == 0)
		return 0;
	if (strncmp(out->name, "./", 2) == 0)
		out->name += 2;
	out->bytes = (const uint8_t *)header + data;
	out->size = size;
	out->regular = (fields[FIELD_MODE] & TYPE) == REGULAR;
	*at += padded(data + size);
	return 1;
}

bool archive_good(const struct archive *a)
{
	struct archive_file f;
	size_t at = 0;
	int r;
	while ((r = archive_next(a, &at, &f)) > 0)
		;
	return r == 0;
}

bool archive_find(const struct archive *a, const char *name, struct archive_file *out)
{
	size_t at = 0;
	while (archive_next(a, &at, out) > 0) {
		if (out->regular && strcmp(out->name, name) == 0)
			return true;
	}
	return false;
}

bool archive_nth(const struct archive *a, unsigned n, struct archive_file *out)
{
	size_t at = 0;
	while (archive_next(a, &at, out) > 0) {
		if (out->regular && !n--)
			return true;
	}
	return false;
}
