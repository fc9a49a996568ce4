/* SPDX-License-Identifier: MIT */
/* The console as a device: its reads and writes. */
#ifndef CONSOLE_H
#define CONSOLE_H

#include "guest/device.h"

/* Serves waiting reads from the queue; on the owner's thread, after a feed. */
void console_serve(struct guest *g);

extern const struct device console_device;

#endif
