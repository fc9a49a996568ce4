/* SPDX-License-Identifier: MIT */
/*
 * Opening files that somebody else named. What is opened is looked at by its descriptor, never by its path, which may name something
 * else a moment later; and no open waits: not for the other end of a FIFO, not for a line's carrier.
 */
#ifndef CASSIN_OPEN_FILE_H
#define CASSIN_OPEN_FILE_H

#include <stddef.h>
#include <sys/types.h>

#include <cassin/spec.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Opens a regular file below `folder` (AT_FDCWD: the working one) with open()'s flags, to which O_NONBLOCK, O_NOCTTY and O_CLOEXEC
 * come; a file that O_CREAT makes has mode 0600. The descriptor, or: -EISDIR: it is something else, and the line says what; -errno.
 * `name` is what the line calls the file. Blocks as long as the file system does. */
int cassin_file_open(int folder, const char *path, int flags, const char *name, struct cassin_error_text *err);
/* Opens for reading a regular file, or a pipe or terminal, as "/dev/stdin" is: for what a person names on a command line. A FIFO is
 * waited for until somebody has written. The rest as above. */
int cassin_stream_open(const char *path, struct cassin_error_text *err);
/* Reads until the end, or until `size` bytes are there. Returns how many, or -errno. */
ssize_t cassin_read_whole(int fd, void *bytes, size_t size);
/* "a file", "a FIFO", "a folder", ..., of st_mode. */
const char *cassin_file_kind(mode_t mode);

#ifdef __cplusplus
}
#endif

#endif
