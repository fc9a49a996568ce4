/* SPDX-License-Identifier: MIT */
/*
 * The gateway: one socket through which any guest's streams are reached by name and port. A client's line
 * "NAME PORT\n" is answered with "OK\n" or "ERR why\n"; after OK the socket itself is the guest's. With "gdb" for the port
 * it is a debugger's.
 */
#ifndef GATEWAY_H
#define GATEWAY_H

#include "daemon.h"

#define GATEWAY_LINE_MAX 128
#define GATEWAY_LINE_MS 5000
#define GATEWAY_CLIENTS_MAX 1024u /* whose line or hand-over is under way */

/* Takes over fd, which listens. 0, -ENOMEM. */
int gateway_start(struct daemon *d, int fd);
/* Stops accepting and drops those whose line has not come. */
void gateway_stop(struct daemon *d);

#endif
