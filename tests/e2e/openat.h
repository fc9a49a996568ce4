/* SPDX-License-Identifier: MIT */
/* For libraries that are preloaded: both names of openat, on the includer's open_at(). */
#ifndef E2E_OPENAT_H
#define E2E_OPENAT_H

/* The rest of a function whose last argument is there with some flags only. */
#define WITH_MODE(call)                                                                                                \
	va_list args;                                                                                                  \
	va_start(args, flags);                                                                                         \
	mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;                                        \
	va_end(args);                                                                                                  \
	return call
#define OPENAT(name)                                                                                                   \
	int name(int folder, const char *path, int flags, ...)                                                         \
	{                                                                                                              \
		WITH_MODE(open_at(folder, path, flags, mode));                                                         \
	}
OPENAT(openat)
OPENAT(openat64)

#endif
