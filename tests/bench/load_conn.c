/* SPDX-License-Identifier: MIT */
#include "load_conn.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static const char accepted[] = "OK\n"; /* the gateway's line */

static int start(struct conn *c, const struct sockaddr *at, socklen_t size)
{
	if (connect(c->fd, at, size) && errno != EINPROGRESS) {
		int r = -errno;
		conn_close(c);
		return r;
	}
	return 0;
}

int conn_open(struct conn *c, uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int one = 1;
	c->head = 0;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return start(c, (struct sockaddr *)&at, sizeof at);
}

int conn_open_gateway(struct conn *c, const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	c->head = sizeof accepted - 1;
	if (strlen(path) >= sizeof at.sun_path)
		return -ENAMETOOLONG;
	strcpy(at.sun_path, path);
	c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return c->fd < 0 ? -errno : start(c, (struct sockaddr *)&at, sizeof at);
}

void conn_ask(struct conn *c)
{
	c->sent = c->got = 0;
}

void conn_close(struct conn *c)
{
	close(c->fd);
	c->fd = -1;
}

/* The length of the whole answer; 0: not known yet; -1: it is no good one. */
static long answer_length(const struct conn *c)
{
	static const char ok[] = "HTTP/1.1 200 ", length[] = "\r\nContent-Length: ";
	const char *end = strstr(c->answer, "\r\n\r\n");
	if (!end)
		return 0;
	const char *header = strcasestr(c->answer, length);
	const char *status = c->answer + c->head;
	if (strncmp(c->answer, accepted, c->head) != 0 || strncmp(status, ok, sizeof ok - 1) != 0 || !header ||
	    header > end)
		return -1;
	return end + 4 - c->answer + strtol(header + sizeof length - 1, NULL, 10);
}

static enum conn_state judge(const struct conn *c, bool ended, bool to_end, const char **why)
{
	long length = answer_length(c);
	if (length < 0 || length > (long)ANSWER_MOST || (length && (long)c->got > length)) {
		*why = "the answer is not 200, or has no good length";
		return CONN_FAILED;
	}
	bool whole = length && (long)c->got == length;
	if (!whole && ended)
		*why = "the connection ended before the answer did";
	else if (whole && !strstr(strstr(c->answer, "\r\n\r\n"), c->wanted))
		*why = "the answer is not the guest's that was asked";
	else
		return whole && (ended || !to_end) ? CONN_DONE : CONN_WAITS;
	return CONN_FAILED;
}

enum conn_state conn_step(struct conn *c, bool to_end, const char **why)
{
	size_t length = strlen(c->request);
	if (c->sent < length) {
		ssize_t n = send(c->fd, c->request + c->sent, length - c->sent, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != ENOTCONN) {
			*why = strerror(errno);
			return CONN_FAILED;
		}
		c->sent += n > 0 ? (size_t)n : 0;
	}
	for (;;) {
		ssize_t n = recv(c->fd, c->answer + c->got, ANSWER_MOST - c->got, 0);
		if (n < 0 && (errno == EAGAIN || errno == ENOTCONN))
			return CONN_WAITS;
		if (n < 0) {
			*why = strerror(errno);
			return CONN_FAILED;
		}
		c->got += (size_t)n;
		c->answer[c->got] = '\0';
		enum conn_state s = judge(c, n == 0, to_end, why);
		if (s != CONN_WAITS || n == 0)
			return s;
	}
}
