/* SPDX-License-Identifier: MIT */
#include "spec/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include <cassin/spec.h>

/* Decimal digits only, 1 to 65535; 0 if it is no port. */
static uint16_t port_number(const char *text)
{
	unsigned value = 0;
	size_t len = strspn(text, "0123456789");
	if (!len || len > 5 || text[len])
		return 0;
	for (size_t i = 0; i < len; i++)
		value = value * 10 + (unsigned)(text[i] - '0');
	return value <= UINT16_MAX ? (uint16_t)value : 0;
}

static int tcp_sockaddr(const char *text, struct sockaddr_storage *out, socklen_t *len)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
	char address[INET6_ADDRSTRLEN];
	const char *colon = strrchr(text, ':');
	uint16_t port = colon ? port_number(colon + 1) : 0;
	bool bracketed = port && text[0] == '[' && colon - text > 2 && colon[-1] == ']';
	size_t n = !port ? 0 : bracketed ? (size_t)(colon - text) - 2 : (size_t)(colon - text);
	if (!n || n >= sizeof address)
		return -EINVAL;
	memcpy(address, text + bracketed, n);
	address[n] = '\0';
	if (bracketed) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(port);
		*len = sizeof *v6;
		return inet_pton(AF_INET6, address, &v6->sin6_addr) == 1 ? 0 : -EINVAL;
	}
	v4->sin_family = AF_INET;
	v4->sin_port = htons(port);
	*len = sizeof *v4;
	return inet_pton(AF_INET, address, &v4->sin_addr) == 1 ? 0 : -EINVAL;
}

static int unix_sockaddr(const char *path, struct sockaddr_storage *out, socklen_t *len)
{
	struct sockaddr_un *un = (struct sockaddr_un *)out;
	size_t n = strlen(path);
	if (!n || n >= sizeof un->sun_path)
		return -EINVAL;
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, n);
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
	return 0;
}

int endpoint_sockaddr(const char *text, struct sockaddr_storage *out, socklen_t *len)
{
	memset(out, 0, sizeof *out);
	if (!strncmp(text, "tcp:", 4))
		return tcp_sockaddr(text + 4, out, len);
	if (!strncmp(text, "unix:", 5))
		return unix_sockaddr(text + 5, out, len);
	return -EINVAL;
}

bool cassin_endpoint_valid(const char *text)
{
	struct sockaddr_storage address;
	socklen_t len;
	return text && strlen(text) <= CASSIN_ENDPOINT_MAX && endpoint_sockaddr(text, &address, &len) == 0;
}

int cassin_port_parse(const char *text, struct cassin_guest_port *out, struct cassin_error_text *err)
{
	char host[CASSIN_ENDPOINT_MAX + 1];
	const char *last = strrchr(text, ':');
	if (!last)
		return cassin_error_set(err, -EINVAL, "-p %.80s: must be [ADDR:]PORT:GUEST or unix:PATH:GUEST", text);
	uint16_t guest = port_number(last + 1);
	if (!guest)
		return cassin_error_set(err, -EINVAL,
					"-p %.80s: the guest's port must be from 1 to 65535, not \"%.20s\"", text,
					last + 1);
	int n = (int)(last - text);
	bool is_unix = !strncmp(text, "unix:", 5), bare = !memchr(text, ':', (size_t)n);
	if (n > CASSIN_ENDPOINT_MAX)
		return cassin_error_set(err, -EINVAL, "-p %.80s...: too long", text);
	int len = snprintf(host, sizeof host, "%s%.*s", is_unix ? "" : bare ? "tcp:127.0.0.1:" : "tcp:", n, text);
	if (len >= (int)sizeof host)
		return cassin_error_set(err, -EINVAL, "-p %.80s...: too long", text);
	if (!cassin_endpoint_valid(host) && is_unix)
		return cassin_error_set(err, -EINVAL, "-p %.120s: the path must have from 1 to %zu bytes", text,
					sizeof((struct sockaddr_un *)0)->sun_path - 1);
	if (!cassin_endpoint_valid(host) && bare)
		return cassin_error_set(err, -EINVAL, "-p %.80s: the host's port must be from 1 to 65535", text);
	if (!cassin_endpoint_valid(host))
		return cassin_error_set(
			err, -EINVAL, "-p %.80s: the host's end must be ADDR:PORT, ADDR numeric, PORT from 1 to 65535",
			text);
	memcpy(out->host, host, sizeof host);
	out->guest = guest;
	return 0;
}
