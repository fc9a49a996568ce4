/* SPDX-License-Identifier: MIT */
#include "socket_path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *non_empty(const char *text)
{
	return text && *text ? text : NULL;
}

int socket_path_resolve(const char *given, struct socket_path *out, struct cassin_error_text *err)
{
	char standard[4096];
	const char *path = given ? given : non_empty(getenv("CASSIN_SOCKET"));
	const char *runtime = non_empty(getenv("XDG_RUNTIME_DIR"));
	out->in_tmp = false;
	if (!path) {
		path = standard;
		if (runtime) {
			snprintf(standard, sizeof standard, "%s/cassin.sock", runtime);
		} else if (geteuid() == 0) {
			snprintf(standard, sizeof standard, "/run/cassin.sock");
		} else {
			snprintf(standard, sizeof standard, "/tmp/cassin-%u.sock", (unsigned)geteuid());
			out->in_tmp = true;
		}
	}
	size_t len = strlen(path), most = sizeof out->api - 1 - strlen(".gw");
	if (!len)
		return cassin_error_set(err, -EINVAL, "the socket's path is empty");
	if (len > most)
		return cassin_error_set(err, -ENAMETOOLONG, "socket path too long: %zu bytes, at most %zu: %.80s...",
					len, most, path);
	memcpy(out->api, path, len + 1);
	memcpy(out->gateway, path, len);
	memcpy(out->gateway + len, ".gw", sizeof ".gw");
	return 0;
}

int socket_path_connect(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	memcpy(addr.sun_path, path, strlen(path) + 1);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&addr, sizeof addr) < 0) {
		int code = -errno;
		close(fd);
		return code;
	}
	return fd;
}
