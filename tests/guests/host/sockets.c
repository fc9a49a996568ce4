/* SPDX-License-Identifier: MIT */
/* The host's side of tests that connect to guests. */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "runner.h"

int unix_connect(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	EXPECT(fd >= 0);
	snprintf(a.sun_path, sizeof a.sun_path, "%s", path);
	if (!connect(fd, (struct sockaddr *)&a, sizeof a))
		return fd;
	close(fd);
	return -errno;
}

int tcp_connect(uint16_t port)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	EXPECT(fd >= 0);
	if (!connect(fd, (struct sockaddr *)&a, sizeof a))
		return fd;
	int error = errno;
	close(fd);
	return -error;
}

uint16_t tcp_free_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int probe = socket(AF_INET, SOCK_STREAM, 0);
	EXPECT(probe >= 0 && !bind(probe, (struct sockaddr *)&a, len) &&
	       !getsockname(probe, (struct sockaddr *)&a, &len));
	close(probe);
	return ntohs(a.sin_port);
}
