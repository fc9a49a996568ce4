/* SPDX-License-Identifier: MIT */
/* The daemon's gateway, and what goes through it between stdio and a guest. Failures are reported on stderr, in one line. */
#ifndef RELAY_H
#define RELAY_H

/* Asks the gateway on fd for a guest's port, or its debugger ("gdb"). EXIT_OK: the connection is the guest's from here on. */
int relay_ask(int fd, const char *name, const char *what);
/* Copies stdin to fd and fd to stdout until the other side ends. When stdin ends, the sending side is closed. */
int relay_pump(int fd);

#endif
