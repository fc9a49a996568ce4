/* SPDX-License-Identifier: MIT */
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassin/open_file.h>

#define BACKLOG 1024

/* The holder of the lock may have removed the file between our open and our flock: then it is no longer the one
 * that the path names, and holding it would mean nothing. */
static bool lock_is_current(struct listeners *l)
{
	struct cassin_own_file named;
	return !cassin_own_file_note(&l->lock_file, l->lock) && !cassin_own_file_note_path(&named, l->lock_path) &&
	       named.inode == l->lock_file.inode && named.device == l->lock_file.device;
}

static int lock_take(struct listeners *l, struct cassin_error_text *err)
{
	snprintf(l->lock_path, sizeof l->lock_path, "%s.lock", l->path.api);
	for (;;) {
		l->lock = cassin_file_open(AT_FDCWD, l->lock_path, O_RDWR | O_CREAT | O_NOFOLLOW, l->lock_path, err);
		if (l->lock < 0)
			return l->lock;
		if (flock(l->lock, LOCK_EX | LOCK_NB) < 0) {
			close(l->lock);
			return cassin_error_set(err, -EADDRINUSE, "another cassind is listening on %s", l->path.api);
		}
		if (lock_is_current(l))
			return 0;
		close(l->lock);
	}
}

static int listen_at(const char *path, struct cassin_own_file *file, struct cassin_error_text *err)
{
	struct cassin_error_text why;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return cassin_error_set(err, -errno, "cannot create a socket: %s", strerror(errno));
	mode_t before = umask(0177);
	int result = cassin_own_socket_bind(file, fd, path, &why);
	umask(before);
	if (!result && listen(fd, BACKLOG) < 0)
		result = cassin_error_set(&why, -errno, "%s", strerror(errno));
	if (result < 0) {
		cassin_own_file_remove(file, path);
		close(fd);
		return cassin_error_set(err, result, "cannot listen on %s: %s", path, why.text);
	}
	return fd;
}

static void lock_give(struct listeners *l)
{
	cassin_own_file_remove(&l->lock_file, l->lock_path);
	close(l->lock);
}

int listeners_open(struct listeners *l, struct cassin_error_text *err)
{
	int result = lock_take(l, err);
	if (result < 0)
		return result;
	l->api = listen_at(l->path.api, &l->api_file, err);
	if (l->api < 0) {
		result = l->api;
		goto no_api;
	}
	l->gateway = listen_at(l->path.gateway, &l->gateway_file, err);
	if (l->gateway >= 0)
		return 0;
	result = l->gateway;
	close(l->api);
	cassin_own_file_remove(&l->api_file, l->path.api);
no_api:
	lock_give(l);
	return result;
}

void listeners_close(struct listeners *l)
{
	cassin_own_file_remove(&l->api_file, l->path.api);
	cassin_own_file_remove(&l->gateway_file, l->path.gateway);
	lock_give(l);
}
