/* SPDX-License-Identifier: MIT */
/* What stands for a system below the library: the functions that it calls by the names on the right,
 * some of which its headers declare with other types. */
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

int _read(int fd, void *to, size_t size) __asm__("read");
int _write(int fd, const void *from, size_t size) __asm__("write");
int _open(const char *path, int flags, int mode) __asm__("open");
int _close(int fd) __asm__("close");
off_t _lseek(int fd, off_t offset, int whence) __asm__("lseek");
int _fstat(int fd, struct stat *out) __asm__("fstat");
int _stat(const char *path, struct stat *out) __asm__("stat");
int _isatty(int fd) __asm__("isatty");
int _link(const char *from, const char *to) __asm__("link");
int _unlink(const char *path) __asm__("unlink");
int _gettimeofday(struct timeval *out, void *zone) __asm__("gettimeofday");
clock_t _times(struct tms *out) __asm__("times");
int _getpid(void) __asm__("getpid");
int _kill(int pid, int signal) __asm__("kill");
int _fork(void) __asm__("fork");
int _execve(const char *path, char *const argv[], char *const env[]) __asm__("execve");
int _wait(int *status) __asm__("wait");
_Noreturn void _exit(int code);

#endif
