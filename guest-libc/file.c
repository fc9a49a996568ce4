/* SPDX-License-Identifier: MIT */
/* The files of a guest: the console, as 0, 1 and 2. There is no disk: what is opened by name is not found. */
#include <errno.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassin/kernel.h>

#include "system.h"

static int is_open(int fd)
{
	return fd >= STDIN_FILENO && fd <= STDERR_FILENO;
}

int _read(int fd, void *to, size_t size)
{
	if (fd != STDIN_FILENO)
		return system_failed(EBADF);
	if (!size)
		return 0;
	int32_t r = cassin_console_line(to, size < CASSIN_IO_MAX ? (uint32_t)size : CASSIN_IO_MAX, CASSIN_FOREVER);
	return r < 0 ? system_failed(-r) : r;
}

int _write(int fd, const void *from, size_t size)
{
	if (fd != STDOUT_FILENO && fd != STDERR_FILENO)
		return system_failed(EBADF);
	if (size > CASSIN_IO_MAX)
		size = CASSIN_IO_MAX;
	cassin_write(from, size);
	return (int)size;
}

int _open(const char *path, int flags, int mode)
{
	(void)path;
	(void)flags;
	(void)mode;
	return system_failed(ENOENT);
}

int _close(int fd)
{
	return is_open(fd) ? 0 : system_failed(EBADF);
}

off_t _lseek(int fd, off_t offset, int whence)
{
	(void)offset;
	(void)whence;
	return system_failed(is_open(fd) ? ESPIPE : EBADF);
}

int _fstat(int fd, struct stat *out)
{
	if (!is_open(fd))
		return system_failed(EBADF);
	*out = (struct stat){.st_mode = S_IFCHR | 0600};
	return 0;
}

int _stat(const char *path, struct stat *out)
{
	(void)path;
	(void)out;
	return system_failed(ENOENT);
}

int _isatty(int fd)
{
	return is_open(fd) ? 1 : (system_failed(EBADF), 0);
}

int _link(const char *from, const char *to)
{
	(void)from;
	(void)to;
	return system_failed(ENOENT);
}

int _unlink(const char *path)
{
	(void)path;
	return system_failed(ENOENT);
}
