/* SPDX-License-Identifier: MIT */
/* Ports of the host follow the listeners of their guest. On the thread of its owner. */
#ifndef HOST_PORTS_H
#define HOST_PORTS_H

#include <stdbool.h>
#include <stdint.h>

struct guest;

/* Whether clients of the guest's `port` may hope: it listens there, or has not waited yet and may come to; and is not being stopped. */
bool port_hopeful(struct guest *g, uint16_t port);
/* The port of the host behind the guest's `port`, if there is one, listens while there is hope, and refuses otherwise. One at a path does
 * so a little later; if somebody else has the path by now, it goes on refusing. */
void host_port_follow(struct guest *g, uint16_t port);
/* All of the guest's. */
void host_ports_follow(struct guest *g);

#endif
