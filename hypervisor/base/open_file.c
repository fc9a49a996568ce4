/* SPDX-License-Identifier: MIT */
#include <cassin/open_file.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *cassin_file_kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:
		return "a file";
	case S_IFDIR:
		return "a folder";
	case S_IFLNK:
		return "a symbolic link";
	case S_IFIFO:
		return "a FIFO";
	case S_IFSOCK:
		return "a socket";
	case S_IFCHR:
	case S_IFBLK:
		return "a device";
	default:
		return "something";
	}
}

static int refuse_kind(const char *name, const char *kind, struct cassin_error_text *err)
{
	return cassin_error_set(err, -EISDIR, "%s: not a regular file, but %s", name, kind);
}

/* What open() says of the kinds that it does not open at all. */
static int refuse_errno(int folder, const char *path, const char *name, int flags, int error,
			struct cassin_error_text *err)
{
	struct stat st;
	if (error == EISDIR)
		return refuse_kind(name, "a folder", err);
	if (error == ELOOP && flags & O_NOFOLLOW)
		return refuse_kind(name, "a symbolic link", err);
	if (error == ENXIO)
		return refuse_kind(name, fstatat(folder, path, &st, 0) ? "something" : cassin_file_kind(st.st_mode),
				   err); /* a socket, or a device that is not there */
	return cassin_error_set(err, -error, "%s: %s", name, strerror(error));
}

static int open_kind(int folder, const char *path, int flags, const char *name, mode_t *kind,
		     struct cassin_error_text *err)
{
	struct stat st;
	int fd = openat(folder, path, flags | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);
	if (fd < 0)
		return refuse_errno(folder, path, name, flags, errno, err);
	if (fstat(fd, &st)) {
		int r = cassin_error_set(err, -errno, "%s: %s", name, strerror(errno));
		close(fd);
		return r;
	}
	*kind = st.st_mode;
	return fd;
}

int cassin_file_open(int folder, const char *path, int flags, const char *name, struct cassin_error_text *err)
{
	mode_t kind;
	int fd = open_kind(folder, path, flags, name, &kind, err);
	if (fd < 0 || S_ISREG(kind))
		return fd;
	close(fd);
	return refuse_kind(name, cassin_file_kind(kind), err);
}

/* Opened without waiting, a FIFO that nobody writes to yet looks as if it had ended. */
static int await_writer(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			return -errno;
	return 0;
}

int cassin_stream_open(const char *path, struct cassin_error_text *err)
{
	mode_t kind;
	int fd = open_kind(AT_FDCWD, path, O_RDONLY, path, &kind, err), r = 0;
	if (fd < 0 || S_ISREG(kind))
		return fd;
	if (!S_ISFIFO(kind) && !S_ISCHR(kind)) {
		r = refuse_kind(path, cassin_file_kind(kind), err);
	} else {
		r = S_ISFIFO(kind) ? await_writer(fd) : 0;
		if (!r && fcntl(fd, F_SETFL, 0))
			r = -errno;
		if (r)
			cassin_error_set(err, r, "%s: cannot be read: %s", path, strerror(-r));
	}
	if (!r)
		return fd;
	close(fd);
	return r;
}

ssize_t cassin_read_whole(int fd, void *bytes, size_t size)
{
	size_t at = 0;
	while (at < size) {
		ssize_t n = read(fd, (char *)bytes + at, size - at);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (!n)
			break;
		at += n > 0 ? (size_t)n : 0;
	}
	return (ssize_t)at;
}
