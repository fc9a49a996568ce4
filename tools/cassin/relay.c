/* SPDX-License-Identifier: MIT */
#include "relay.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/command.h"

#define ANSWER_MAX 256

static int write_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(fd, bytes, len);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

/* Asks for the guest. Reads byte by byte: what follows the answer's line is the guest's. */
int relay_ask(int fd, const char *name, const char *what)
{
	char line[160], answer[ANSWER_MAX];
	size_t len = 0;
	int n = snprintf(line, sizeof line, "%s %s\n", name, what);
	if (n >= (int)sizeof line)
		return command_failed("the name is too long");
	if (write_all(fd, line, (size_t)n) < 0)
		return command_failed("the daemon closed the connection");
	while (len < sizeof answer - 1) {
		ssize_t got = read(fd, answer + len, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0 || answer[len] == '\n')
			break;
		len++;
	}
	answer[len] = '\0';
	if (!strcmp(answer, "OK"))
		return EXIT_OK;
	return command_failed("%s", !strncmp(answer, "ERR ", 4) ? answer + 4 : "the daemon closed the connection");
}

/* What stdin gave and the guest has not yet taken. */
struct outgoing {
	char bytes[65536];
	size_t start, end;
	bool eof, shut;
};

/* 1: go on; 0: the end; else -errno, the connection's, or with *output set standard output's. */
static int receive(int fd, bool *output)
{
	char buf[65536];
	ssize_t n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? 1 : -errno;
	if (n == 0)
		return 0;
	int result = write_all(STDOUT_FILENO, buf, (size_t)n);
	*output = result < 0;
	return result < 0 ? result : 1;
}

static void read_stdin(struct outgoing *o)
{
	ssize_t n = read(STDIN_FILENO, o->bytes, sizeof o->bytes);
	o->start = o->end = 0;
	if (n > 0)
		o->end = (size_t)n;
	else if (n == 0 || (errno != EINTR && errno != EAGAIN))
		o->eof = true;
}

/* A guest that takes no more ends our sending, not the connection: it may still have something to say. */
static void send_some(int fd, struct outgoing *o)
{
	ssize_t n = send(fd, o->bytes + o->start, o->end - o->start, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n >= 0) {
		o->start += (size_t)n;
	} else if (errno != EINTR && errno != EAGAIN) {
		o->start = o->end;
		o->eof = true;
	}
}

int relay_pump(int fd)
{
	struct outgoing o = {.eof = false};
	for (;;) {
		bool sending = o.start < o.end;
		struct pollfd watched[2] = {
			{.fd = fd, .events = (short)(POLLIN | (sending ? POLLOUT : 0))},
			{.fd = sending || o.eof ? -1 : STDIN_FILENO, .events = POLLIN},
		};
		if (poll(watched, 2, -1) < 0 && errno != EINTR)
			return command_failed("cannot wait for the connection: %s", strerror(errno));
		if (watched[0].revents & ~POLLOUT) {
			bool output = false;
			int result = receive(fd, &output);
			if (result <= 0)
				return result == 0 ? EXIT_OK
				       : output    ? command_output_failed(-result)
						   : command_failed("the connection broke: %s", strerror(-result));
		}
		if (watched[0].revents & POLLOUT)
			send_some(fd, &o);
		if (watched[1].revents)
			read_stdin(&o);
		if (o.eof && o.start == o.end && !o.shut) {
			shutdown(fd, SHUT_WR);
			o.shut = true;
		}
	}
}
