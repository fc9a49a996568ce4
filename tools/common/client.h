/* SPDX-License-Identifier: MIT */
/* The daemon's HTTP API, one request at a time over one connection. Failures are reported on stderr, in one line. */
#ifndef CLIENT_H
#define CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct client;

struct response {
	unsigned status;
	char *body; /* malloc'd, zero-terminated */
	size_t len;
	uint64_t log_lost;
	bool truncated; /* the connection ended before the answer did */
};

/* Connects to the daemon; NULL: reported. */
struct client *client_open(void);
void client_close(struct client *c);
/* Ends the answer that is being received, as if the daemon had. From a signal handler, too. */
void client_interrupt(struct client *c);

/* Sends a request; body may be NULL. Pieces of a successful answer go to `piece` as they come; all of it, if piece is
 * NULL, and any error's body, is kept in *out. 0; -EIO: reported. */
int client_request(struct client *c, const char *method, const char *target, const char *body,
		   void (*piece)(void *opaque, const char *bytes, size_t len), void *opaque, struct response *out);
/* The same for one JSON document; NULL: reported, an error of the API's included. */
json_t *client_json(struct client *c, const char *method, const char *target, const char *body);
/* Tells an API error that *r holds, after `subject` if there is one. Returns EXIT_FAILED. */
int client_report_error(const struct response *r, const char *subject);

/* "/v1/guests/NAME" and suffix, with NAME percent-encoded; malloc'd. */
char *client_guest_target(const char *name, const char *suffix);
/* "/v1/templates/NAME", likewise. */
char *client_template_target(const char *name);

/* The gateway's socket, connected; -errno: reported. */
int client_gateway(void);

#endif
