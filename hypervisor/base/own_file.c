/* SPDX-License-Identifier: MIT */
#include <cassin/open_file.h>
#include <cassin/own_file.h>

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static struct cassin_own_file of(const struct stat *st)
{
	return (struct cassin_own_file){.device = st->st_dev, .inode = st->st_ino};
}

static bool same(const struct cassin_own_file *a, const struct cassin_own_file *b)
{
	return a->inode == b->inode && a->device == b->device;
}

int cassin_own_file_note(struct cassin_own_file *o, int fd)
{
	struct stat st;
	*o = (struct cassin_own_file){0};
	if (fstat(fd, &st))
		return -errno;
	*o = of(&st);
	return 0;
}

int cassin_own_file_note_path(struct cassin_own_file *o, const char *path)
{
	struct stat st;
	*o = (struct cassin_own_file){0};
	if (lstat(path, &st))
		return -errno;
	*o = of(&st);
	return 0;
}

int cassin_own_file_remove(struct cassin_own_file *o, const char *path)
{
	struct cassin_own_file was = *o, there;
	*o = (struct cassin_own_file){0};
	int r = cassin_own_file_note_path(&there, path);
	if (r)
		return r;
	if (!was.inode || !same(&was, &there))
		return -ESTALE;
	return unlink(path) ? -errno : 0;
}

/* Whether nobody has the socket any more: 0, or -errno. A datagram socket asks: to whoever listens there that is the wrong type,
 * and no connection. */
static int ask_whether_dead(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	int r = connect(fd, (const struct sockaddr *)address, sizeof *address) ? -errno : -EADDRINUSE;
	close(fd);
	return r == -ECONNREFUSED ? 0 : r == -EPROTOTYPE ? -EADDRINUSE : r;
}

static int clear_dead(const struct sockaddr_un *address, struct cassin_error_text *err)
{
	struct stat st;
	if (lstat(address->sun_path, &st))
		return errno == ENOENT ? 0 : cassin_error_set(err, -errno, "cannot look at it: %s", strerror(errno));
	if (!S_ISSOCK(st.st_mode))
		return cassin_error_set(err, -EEXIST, "%s is there already and no socket; it stays",
					cassin_file_kind(st.st_mode));
	int r = ask_whether_dead(address);
	if (r == -EADDRINUSE)
		return cassin_error_set(err, r, "already in use by another process");
	if (r)
		return cassin_error_set(err, r, "cannot tell whether it is in use: %s", strerror(-r));
	struct cassin_own_file dead = of(&st);
	r = cassin_own_file_remove(&dead, address->sun_path);
	if (r && r != -ESTALE && r != -ENOENT) /* whatever came there meanwhile, to bind will tell */
		return cassin_error_set(err, r, "a dead socket is there and cannot be removed: %s", strerror(-r));
	return 0;
}

/* Of a path that may lie in no folder. */
static int no_folder(const char *path, struct cassin_error_text *err)
{
	const char *slash = strrchr(path, '/');
	int n = slash ? (int)(slash - path) : 0;
	return cassin_error_set(err, -ENOTDIR, "the folder %.*s is not there", n ? n : 1, n ? path : ".");
}

int cassin_own_socket_bind(struct cassin_own_file *o, int fd, const char *path, struct cassin_error_text *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	*o = (struct cassin_own_file){0};
	if (strlen(path) >= sizeof address.sun_path)
		return cassin_error_set(err, -ENAMETOOLONG, "the path is too long");
	memcpy(address.sun_path, path, strlen(path) + 1);
	int r = bind(fd, (const struct sockaddr *)&address, sizeof address) ? -errno : 0;
	if (r == -EADDRINUSE) {
		r = clear_dead(&address, err);
		if (r)
			return r;
		r = bind(fd, (const struct sockaddr *)&address, sizeof address) ? -errno : 0;
	}
	if (r == -ENOENT)
		return no_folder(path, err);
	if (!r)
		r = cassin_own_file_note_path(o, path);
	if (r == -ENOENT)
		return cassin_error_set(err, -ESTALE, "somebody has removed it at once");
	return r ? cassin_error_set(err, r, "%s", r == -EADDRINUSE ? "already in use" : strerror(-r)) : 0;
}
