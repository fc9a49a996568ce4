/* SPDX-License-Identifier: MIT */
#include <cassin/guest.h>

int cassin_file_info(uint64_t file, struct cassin_file_info *out)
{
	return (int)cassin_call(CASSIN_CALL_FILE_INFO, file, (uint64_t)out, 0, 0, 0);
}

int64_t cassin_file_find(const char *name, struct cassin_file_info *out)
{
	struct cassin_file_info own;
	if (!out)
		out = &own;
	for (int64_t file = 0;; file++) {
		int r = cassin_file_info((uint64_t)file, out);
		if (r < 0)
			return r;
		if (strcmp(out->name, name) == 0)
			return file;
	}
}

int64_t cassin_file_read(uint64_t file, uint64_t offset, void *to, size_t len)
{
	size_t done = 0;
	for (;;) {
		size_t want = len - done < CASSIN_IO_MAX ? len - done : CASSIN_IO_MAX;
		int64_t n = cassin_call(CASSIN_CALL_FILE_READ, file, offset + done, (uint64_t)to + done, want, 0);
		if (n < 0)
			return done ? (int64_t)done : n;
		done += (size_t)n;
		if (!n || (size_t)n < want || done == len)
			return (int64_t)done;
	}
}
