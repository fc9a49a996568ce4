/* SPDX-License-Identifier: MIT */
/* Host endpoints: "tcp:ADDR:PORT" (ADDR numeric, [v6] in brackets, PORT from 1 to 65535) and "unix:PATH". */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

/* The socket address of an endpoint. *out is zero behind what the address fills, so that equal endpoints compare
 * equal by bytes; *len is what bind() and connect() want. -EINVAL: `text` is no endpoint. */
int endpoint_sockaddr(const char *text, struct sockaddr_storage *out, socklen_t *len);
/* Of an endpoint. */
static inline bool endpoint_is_path(const char *text)
{
	return !strncmp(text, "unix:", 5);
}

#endif
