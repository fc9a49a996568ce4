/* SPDX-License-Identifier: MIT */
/*
 * Preloaded into a program, this makes the opening of files whose name has "hanging" in it wait, within the kernel, as on a file
 * system whose server does not answer: until somebody opens the FIFO that $HANGING names for writing. While there is a file
 * $HANGING.paths, binding, connecting, looking and removing hang there, too, which the sandbox of threads that open no file allows.
 */
#undef _FILE_OFFSET_BITS /* with which open is another name of open64 */
#include <fcntl.h>
#include <stdarg.h>
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

/* As long as the file is there. */
static void wait_at(const char *path)
{
	const struct timespec moment = {.tv_nsec = 10000000};
	char name[512];
	struct stat st;
	const char *fifo = fifo_for(path);
	if (!fifo)
		return;
	snprintf(name, sizeof name, "%s.paths", fifo);
	while (!syscall(SYS_newfstatat, AT_FDCWD, name, &st, 0))
		nanosleep(&moment, NULL);
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
