/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a program, this makes the opening of files whose name has "hanging" in it wait, within the kernel, as on a file
 * system whose server does not answer: until somebody opens the FIFO that $HANGING names for writing. While there is a file
 * $HANGING.paths, binding, connecting, looking and removing hang there, too, which the sandbox of threads that open no file allows. And
 * while there is a file $HANGING.reads or $HANGING.writes, so many reads and writes at a place hang as it has bytes.
 */
#undef _FILE_OFFSET_BITS /* with which open is another name of open64 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* What says how long; NULL: the path does not hang. */
static const char *fifo_for(const char *path)
{
	return strstr(path, "hanging") ? getenv("HANGING") : NULL;
}

static void wait_for(const char *path)
{
	const char *fifo = fifo_for(path);
	int fd = fifo ? (int)syscall(SYS_openat, AT_FDCWD, fifo, O_RDONLY | O_CLOEXEC) : -1;
	if (fd >= 0)
		close(fd);
}

static int open_at(int folder, const char *path, int flags, mode_t mode)
{
	wait_for(path);
	return (int)syscall(SYS_openat, folder, path, flags, mode);
}

#include "openat.h"

/* As long as the file is there, if it has more than `from` bytes. */
static void wait_while(const char *fifo, const char *what, long from)
{
	const struct timespec moment = {.tv_nsec = 10000000};
	char name[512];
	struct stat st;
	snprintf(name, sizeof name, "%s.%s", fifo, what);
	while (!syscall(SYS_newfstatat, AT_FDCWD, name, &st, 0) && st.st_size > from)
		nanosleep(&moment, NULL);
}

static void wait_at(const char *path)
{
	const char *fifo = fifo_for(path);
	if (fifo)
		wait_while(fifo, "paths", -1);
}

static void wait_to(const char *what)
{
	static atomic_long reads, writes;
	const char *fifo = getenv("HANGING");
	char name[512];
	struct stat st;
	snprintf(name, sizeof name, "%s.%s", fifo ? fifo : "", what);
	if (fifo && !syscall(SYS_newfstatat, AT_FDCWD, name, &st, 0))
		wait_while(fifo, what, atomic_fetch_add(*what == 'r' ? &reads : &writes, 1));
}

ssize_t pread64(int fd, void *to, size_t size, off64_t at)
{
	wait_to("reads");
	return syscall(SYS_pread64, fd, to, size, at);
}

ssize_t pwrite64(int fd, const void *from, size_t size, off64_t at)
{
	wait_to("writes");
	return syscall(SYS_pwrite64, fd, from, size, at);
}

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
	if (address->sa_family == AF_UNIX)
		wait_at(((const struct sockaddr_un *)address)->sun_path);
	return (int)syscall(SYS_bind, fd, address, size);
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
	if (address->sa_family == AF_UNIX)
		wait_at(((const struct sockaddr_un *)address)->sun_path);
	return (int)syscall(SYS_connect, fd, address, size);
}

int unlink(const char *path)
{
	wait_at(path);
	return (int)syscall(SYS_unlink, path);
}

int lstat(const char *path, struct stat *st)
{
	wait_at(path);
	return (int)syscall(SYS_newfstatat, AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

int lstat64(const char *path, struct stat64 *st)
{
	return lstat(path, (struct stat *)st);
}

#define OPEN(name)                                                                                                     \
	int name(const char *path, int flags, ...)                                                                     \
	{                                                                                                              \
		WITH_MODE(open_at(AT_FDCWD, path, flags, mode));                                                       \
	}

OPEN(open)
OPEN(open64)
