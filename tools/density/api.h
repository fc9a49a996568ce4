/* SPDX-License-Identifier: MIT */
/* The private daemon and its API. */
#ifndef DENSITY_API_H
#define DENSITY_API_H

#include "../common/client.h"
#include "lab.h"

struct private_daemon {
	struct child child;
	char folder[64], socket[96], log[96];
	struct client *client;
};

/* Starts a cassind of our own and waits until it answers. 0, -EIO: s->why tells. */
int private_daemon_start(struct private_daemon *d, struct system *s);
void private_daemon_stop(struct private_daemon *d);
/* Sends a request; takes *body. The answer's last line as JSON, NULL: s->why tells, *status is its HTTP status (0: there
 * was none). */
json_t *api_ask(struct private_daemon *d, struct system *s, const char *method, const char *target, json_t *body,
		unsigned *status);

#endif
