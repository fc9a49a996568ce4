/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a program, this makes the opening of files whose name has "hanging" in it wait, within the kernel, as on a file
 * system whose server does not answer: until somebody opens the FIFO that $HANGING names for writing.
 */
#undef _FILE_OFFSET_BITS /* with which open is another name of open64 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void wait_for(const char *path)
{
	const char *fifo = getenv("HANGING");
	if (!fifo || !strstr(path, "hanging"))
		return;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, fifo, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
}

static int open_at(int folder, const char *path, int flags, mode_t mode)
{
	wait_for(path);
	return (int)syscall(SYS_openat, folder, path, flags, mode);
}

#include "openat.h"

#define OPEN(name)                                                                                                     \
	int name(const char *path, int flags, ...)                                                                     \
	{                                                                                                              \
		va_list args;                                                                                          \
		va_start(args, flags);                                                                                 \
		mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;                                \
		va_end(args);                                                                                          \
		return open_at(AT_FDCWD, path, flags, mode);                                                           \
	}

OPEN(open)
OPEN(open64)
