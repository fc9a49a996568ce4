/* SPDX-License-Identifier: MIT */
/* For libraries that are preloaded: both names of openat, on the includer's open_at(). */
#ifndef E2E_OPENAT_H
#define E2E_OPENAT_H

#define OPENAT(name)                                                                                                   \
	int name(int folder, const char *path, int flags, ...)                                                         \
	{                                                                                                              \
		va_list args;                                                                                          \
		va_start(args, flags);                                                                                 \
		mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;                                \
		va_end(args);                                                                                          \
		return open_at(folder, path, flags, mode);                                                             \
	}
OPENAT(openat)
OPENAT(openat64)

#endif
