/* SPDX-License-Identifier: MIT */
/*
 * Files that a process makes at a path somebody else chose, and removes again: sockets, locks, the swap file. A path says nothing
 * about what is there now, so only the very file that was made is ever removed, and only a dead socket is ever replaced. Between
 * the look and the removal there is a moment in which a name can change; POSIX has no call without one.
 */
#ifndef CASSIN_OWN_FILE_H
#define CASSIN_OWN_FILE_H

#include <stdint.h>

#include <cassin/spec.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Which file it is; zeros: none. */
struct cassin_own_file {
	uint64_t device, inode;
};

/* Remembers what an open file, or what is at a path (a link itself, not what it leads to), is. -errno: *o is none. */
int cassin_own_file_note(struct cassin_own_file *o, int fd);
int cassin_own_file_note_path(struct cassin_own_file *o, const char *path);
/* Removes the file at the path if it is *o, which is none from then on. -ESTALE: something else is there, or *o was none; -ENOENT,
 * -EACCES and the like. */
int cassin_own_file_remove(struct cassin_own_file *o, const char *path);

/* Binds a Unix socket at a path, and remembers it. A socket there that refuses connections, whose process is gone, is replaced.
 * -EADDRINUSE: a process has it; -EEXIST: it is something else, which stays; -ENOTDIR: the path's folder is not there; -ESTALE:
 * somebody else has removed it at once; -EACCES and the like, but never -ENOENT. *err says which, without the path. */
int cassin_own_socket_bind(struct cassin_own_file *o, int fd, const char *path, struct cassin_error_text *err);

#ifdef __cplusplus
}
#endif

#endif
