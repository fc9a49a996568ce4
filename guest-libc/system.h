/* SPDX-License-Identifier: MIT */
/* What stands for a system below the library: the functions that it calls by these names. */
#ifndef SYSTEM_H
#define SYSTEM_H

#include <errno.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/types.h>

/* Sets errno; -1. */
static inline int system_failed(int code)
{
	errno = code;
	return -1;
}

int _read(int fd, void *to, size_t size);
int _write(int fd, const void *from, size_t size);
int _open(const char *path, int flags, int mode);
int _close(int fd);
off_t _lseek(int fd, off_t offset, int whence);
int _fstat(int fd, struct stat *out);
int _stat(const char *path, struct stat *out);
int _isatty(int fd);
int _link(const char *from, const char *to);
int _unlink(const char *path);
int _gettimeofday(struct timeval *out, void *zone);
clock_t _times(struct tms *out);
int _getpid(void);
int _kill(int pid, int signal);
int _fork(void);
int _execve(const char *path, char *const argv[], char *const env[]);
int _wait(int *status);
_Noreturn void _exit(int code);

#endif
