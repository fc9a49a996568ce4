/* SPDX-License-Identifier: MIT */
/*
 * The files of a guest: the console, as 0, 1 and 2, and those that its spec gives it, to be read. There is no disk: what is
 * written to has another name.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassin/kernel.h>

#include "system.h"

#define FIRST_FD (STDERR_FILENO + 1)
#define OPEN_MOST 64
#define WRITE_PIECE 4096u /* as much as LOG takes at once */

/* A descriptor is one thread's at a time, but which are free is everybody's. */
static struct open_file {
	atomic_bool open;
	uint64_t file;
	uint64_t size, at; /* bytes */
} opened[OPEN_MOST];

static int is_console(int fd)
{
	return fd >= STDIN_FILENO && fd <= STDERR_FILENO;
}

static struct open_file *open_file(int fd)
{
	if (fd < FIRST_FD || fd >= FIRST_FD + OPEN_MOST || !atomic_load(&opened[fd - FIRST_FD].open))
		return NULL;
	return &opened[fd - FIRST_FD];
}

/* The folder that a program runs in is the one with the spec's files. */
static int64_t find(const char *path, struct cassin_file_info *info)
{
	while (path[0] == '/' || (path[0] == '.' && path[1] == '/'))
		path += path[0] == '/' ? 1 : 2;
	return cassin_file_find(path, info);
}

static int read_file(struct open_file *f, void *to, size_t size)
{
	int64_t n = cassin_file_read(f->file, f->at, to, size < INT_MAX ? size : INT_MAX);
	if (n < 0)
		return system_failed((int)-n);
	f->at += (uint64_t)n;
	return (int)n;
}

int _read(int fd, void *to, size_t size)
{
	struct open_file *f = open_file(fd);
	if (f)
		return read_file(f, to, size);
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
	for (size_t done = 0, n; done < size; done += n) {
		n = size - done < WRITE_PIECE ? size - done : WRITE_PIECE;
		int64_t r = cassin_call(CASSIN_CALL_LOG, (uint64_t)from + done, n, 0, 0, 0);
		if (r < 0)
			return done ? (int)done : system_failed((int)-r);
	}
	return (int)size;
}

int _open(const char *path, int flags, int mode)
{
	struct cassin_file_info info;
	int64_t file = find(path, &info);
	(void)mode;
	if (file >= 0 && (flags & O_CREAT) && (flags & O_EXCL))
		return system_failed(EEXIST);
	if (file >= 0 && flags & O_DIRECTORY)
		return system_failed(ENOTDIR);
	if ((flags & O_ACCMODE) != O_RDONLY || (file < 0 && flags & O_CREAT))
		return system_failed(EROFS);
	if (file < 0)
		return system_failed(ENOENT);
	for (int i = 0; i < OPEN_MOST; i++) {
		if (atomic_exchange(&opened[i].open, true))
			continue;
		opened[i].file = (uint64_t)file;
		opened[i].size = info.size;
		opened[i].at = 0;
		return FIRST_FD + i;
	}
	return system_failed(EMFILE);
}

int _close(int fd)
{
	struct open_file *f = open_file(fd);
	if (f)
		atomic_store(&f->open, false);
	return f || is_console(fd) ? 0 : system_failed(EBADF);
}

off_t _lseek(int fd, off_t offset, int whence)
{
	struct open_file *f = open_file(fd);
	off_t from, to;
	if (!f)
		return system_failed(is_console(fd) ? ESPIPE : EBADF);
	if (whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END)
		return system_failed(EINVAL);
	from = whence == SEEK_SET ? 0 : (off_t)(whence == SEEK_CUR ? f->at : f->size);
	if (__builtin_add_overflow(from, offset, &to) || to < 0)
		return system_failed(EINVAL);
	f->at = (uint64_t)to;
	return to;
}

static void describe(struct stat *out, uint64_t size)
{
	*out = (struct stat){.st_mode = S_IFREG | 0444, .st_nlink = 1, .st_size = (off_t)size};
}

int _fstat(int fd, struct stat *out)
{
	const struct open_file *f = open_file(fd);
	if (f)
		describe(out, f->size);
	else if (is_console(fd))
		*out = (struct stat){.st_mode = S_IFCHR | 0600};
	else
		return system_failed(EBADF);
	return 0;
}

int _stat(const char *path, struct stat *out)
{
	struct cassin_file_info info;
	if (find(path, &info) < 0)
		return system_failed(ENOENT);
	describe(out, info.size);
	return 0;
}

int _isatty(int fd)
{
	if (is_console(fd))
		return 1;
	errno = open_file(fd) ? ENOTTY : EBADF;
	return 0;
}

int _link(const char *from, const char *to)
{
	struct cassin_file_info info;
	(void)to;
	return system_failed(find(from, &info) < 0 ? ENOENT : EROFS);
}

int _unlink(const char *path)
{
	struct cassin_file_info info;
	return system_failed(find(path, &info) < 0 ? ENOENT : EROFS);
}
