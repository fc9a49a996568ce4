// SPDX-License-Identifier: MIT
#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define BACKLOG 1024

/* The holder of the lock may have removed the file between our open and our flock: then it is no longer the one
 * that the path names, and holding it would mean nothing. */
static bool lock_is_current(int fd, const char *path)
{
	struct stat held, named;
	return !fstat(fd, &held) && !lstat(path, &named) && held.st_ino == named.st_ino && held.st_dev == named.st_dev;
}

static int lock_take(struct listeners *l, struct cassin_error_text *err)
{
	snprintf(l->lock_path, sizeof l->lock_path, "%s.lock", l->path.api);
	for (;;) {
		l->lock = open(l->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (l->lock < 0)
			return error_set(err, -errno, "cannot create %s: %s", l->lock_path, strerror(errno));
		if (flock(l->lock, LOCK_EX | LOCK_NB) < 0) {
			close(l->lock);
			return error_set(err, -EADDRINUSE, "another cassind is listening on %s", l->path.api);
		}
		if (lock_is_current(l->lock, l->lock_path))
			return 0;
		close(l->lock);
	}
}

static int stale_clear(const char *path, struct cassin_error_text *err)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : error_set(err, -errno, "cannot look at %s: %s", path, strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return error_set(err, -EEXIST, "%s exists and is no socket", path);
	int fd = socket_path_connect(path);
	if (fd >= 0) {
		close(fd);
		return error_set(err, -EADDRINUSE, "another process is listening on %s", path);
	}
	if (fd != -ECONNREFUSED)
		return error_set(err, fd, "cannot tell whether %s is in use: %s", path, strerror(-fd));
	if (unlink(path) < 0)
		return error_set(err, -errno, "cannot remove the stale %s: %s", path, strerror(errno));
	return 0;
}

static int listen_at(const char *path, struct cassin_error_text *err)
{
	int result = stale_clear(path, err);
	if (result < 0)
		return result;
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	memcpy(addr.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return error_set(err, -errno, "cannot create a socket: %s", strerror(errno));
	mode_t before = umask(0177);
	result = bind(fd, (const struct sockaddr *)&addr, sizeof addr) < 0 ? -errno : 0;
	umask(before);
	if (!result && listen(fd, BACKLOG) < 0)
		result = -errno;
	if (result < 0) {
		close(fd);
		return error_set(err, result, "cannot listen on %s: %s", path, strerror(-result));
	}
	return fd;
}

int listeners_open(struct listeners *l, struct cassin_error_text *err)
{
	int result = lock_take(l, err);
	if (result < 0)
		return result;
	l->api = listen_at(l->path.api, err);
	if (l->api < 0) {
		result = l->api;
		goto no_api;
	}
	l->gateway = listen_at(l->path.gateway, err);
	if (l->gateway >= 0)
		return 0;
	result = l->gateway;
	close(l->api);
	unlink(l->path.api);
no_api:
	unlink(l->lock_path);
	close(l->lock);
	return result;
}

void listeners_close(struct listeners *l)
{
	unlink(l->path.api);
	unlink(l->path.gateway);
	unlink(l->lock_path);
	close(l->lock);
}
