/* SPDX-License-Identifier: MIT */
#include "client.h"

#include <errno.h>
#include <http_parser.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket_path.h"
#include "command.h"

#define START_MS 1000u
#define START_PAUSE_MS 20

struct client {
	int fd;
	http_parser parser;
	struct response *response;
	void (*piece)(void *opaque, const char *bytes, size_t len);
	void *opaque;
	char field[32], value[32]; /* of the header that is being read */
	bool in_value, complete;
};

/* ---- Connecting ---- */

/* In /tmp anyone could have made the socket first, and would be given what is meant for our daemon. */
static bool peer_trusted(int fd)
{
	struct ucred peer;
	socklen_t len = sizeof peer;
	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && (peer.uid == geteuid() || peer.uid == 0);
}

enum daemon_socket { SOCKET_API, SOCKET_GATEWAY };

/* A daemon that was started a moment ago, in the line before, say, has a second until it is missed. */
static int connect_patiently(const char *path)
{
	for (unsigned waited = 0;; waited += START_PAUSE_MS) {
		int fd = socket_path_connect(path);
		if ((fd != -ENOENT && fd != -ECONNREFUSED) || waited >= START_MS)
			return fd;
		poll(NULL, 0, START_PAUSE_MS);
	}
}

/* -errno: reported. */
static int connect_reported(enum daemon_socket which)
{
	struct socket_path path;
	struct cassin_error_text err = {""};
	if (socket_path_resolve(command_socket, &path, &err) < 0) {
		command_failed("%s", err.text);
		exit(EXIT_USAGE);
	}
	int fd = connect_patiently(which == SOCKET_GATEWAY ? path.gateway : path.api);
	if (fd >= 0 && path.in_tmp && !peer_trusted(fd)) {
		close(fd);
		command_failed("%s belongs to another user", path.api);
		return -EPERM;
	}
	if (fd == -ENOENT || fd == -ECONNREFUSED)
		command_failed("no daemon on %s: start one with: cassind%s%s &", path.api,
			       command_socket ? " --socket " : "", command_socket ? command_socket : "");
	else if (fd < 0)
		command_failed("cannot connect to %s: %s", path.api, strerror(-fd));
	return fd;
}

struct client *client_open(void)
{
	int fd = connect_reported(SOCKET_API);
	struct client *c = fd < 0 ? NULL : calloc(1, sizeof *c);
	if (c)
		c->fd = fd;
	return c;
}

void client_close(struct client *c)
{
	close(c->fd);
	free(c);
}

void client_interrupt(struct client *c)
{
	shutdown(c->fd, SHUT_RDWR);
}

int client_gateway(void)
{
	return connect_reported(SOCKET_GATEWAY);
}

/* ---- Receiving ---- */

/* Names and values come in as many pieces as they are read in. */
static void append(char *text, size_t size, const char *at, size_t len)
{
	size_t have = strlen(text), take = len < size - 1 - have ? len : size - 1 - have;
	memcpy(text + have, at, take);
	text[have + take] = '\0';
}

static int on_field(http_parser *p, const char *at, size_t len)
{
	struct client *c = p->data;
	if (c->in_value)
		c->field[0] = c->value[0] = '\0';
	c->in_value = false;
	append(c->field, sizeof c->field, at, len);
	return 0;
}

static int on_value(http_parser *p, const char *at, size_t len)
{
	struct client *c = p->data;
	c->in_value = true;
	append(c->value, sizeof c->value, at, len);
	if (!strcasecmp(c->field, "cassin-log-lost"))
		c->response->log_lost = strtoull(c->value, NULL, 10);
	return 0;
}

static int keep(struct response *r, const char *at, size_t len)
{
	char *body = realloc(r->body, r->len + len + 1);
	if (!body)
		return -1;
	memcpy(body + r->len, at, len);
	r->body = body;
	r->len += len;
	body[r->len] = '\0';
	return 0;
}

static int on_body(http_parser *p, const char *at, size_t len)
{
	struct client *c = p->data;
	if (!c->piece || p->status_code >= 400)
		return keep(c->response, at, len);
	c->piece(c->opaque, at, len);
	return 0;
}

static int on_complete(http_parser *p)
{
	struct client *c = p->data;
	c->complete = true;
	return 0;
}

static int receive(struct client *c)
{
	static const http_parser_settings settings = {
		.on_header_field = on_field,
		.on_header_value = on_value,
		.on_body = on_body,
		.on_message_complete = on_complete,
	};
	char buf[16384];
	http_parser_init(&c->parser, HTTP_RESPONSE);
	c->parser.data = c;
	c->complete = c->in_value = false;
	c->field[0] = c->value[0] = '\0';
	while (!c->complete) {
		ssize_t n = recv(c->fd, buf, sizeof buf, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		size_t used = http_parser_execute(&c->parser, &settings, buf, (size_t)n);
		if (used != (size_t)n && !c->complete)
			return command_failed("the daemon's answer is malformed: %s",
					      http_errno_description(HTTP_PARSER_ERRNO(&c->parser))),
			       -EIO;
	}
	c->response->status = c->parser.status_code;
	c->response->truncated = !c->complete;
	if (c->complete || (c->piece && c->parser.status_code == 200))
		return 0;
	command_failed("the daemon closed the connection before it answered");
	return -EIO;
}

/* ---- Requests ---- */

static int send_all(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			len -= (size_t)n;
		}
	}
	return 0;
}

int client_request(struct client *c, const char *method, const char *target, const char *body,
		   void (*piece)(void *opaque, const char *bytes, size_t len), void *opaque, struct response *out)
{
	char *head = NULL;
	*out = (struct response){0};
	c->response = out;
	c->piece = piece;
	c->opaque = opaque;
	int len = asprintf(&head, "%s %s HTTP/1.1\r\nHost: cassin\r\nContent-Length: %zu\r\n\r\n", method, target,
			   body ? strlen(body) : 0);
	int result = len < 0 ? -ENOMEM : send_all(c->fd, head, (size_t)len);
	if (len >= 0)
		free(head);
	if (result == 0 && body)
		result = send_all(c->fd, body, strlen(body));
	if (result < 0 && result != -EPIPE) {
		command_failed("cannot send the request: %s", strerror(-result));
		return -EIO;
	}
	result = receive(c);
	if (result < 0) {
		free(out->body);
		out->body = NULL;
	}
	return result;
}

int client_report_error(const struct response *r, const char *subject)
{
	json_t *o = r->body ? json_loads(r->body, 0, NULL) : NULL;
	const char *text = json_string_value(json_object_get(o, "error"));
	if (text)
		command_failed("%s%s%s", subject ? subject : "", subject ? ": " : "", text);
	else
		command_failed("%s%sthe daemon answered with status %u", subject ? subject : "", subject ? ": " : "",
			       r->status);
	json_decref(o);
	return EXIT_FAILED;
}

json_t *client_json(struct client *c, const char *method, const char *target, const char *body)
{
	struct response r;
	json_t *o = NULL;
	if (client_request(c, method, target, body, NULL, NULL, &r) < 0)
		return NULL;
	if (r.status >= 400)
		client_report_error(&r, NULL);
	else if (!(o = json_loads(r.body ? r.body : "", 0, NULL)))
		command_failed("the daemon's answer is no JSON document");
	free(r.body);
	return o;
}

static char *target_of(const char *base, const char *name, const char *suffix)
{
	char *target = malloc(strlen(base) + 3 * strlen(name) + strlen(suffix) + 1), *at = target;
	if (!target)
		return NULL;
	at += sprintf(at, "%s", base);
	for (; *name; name++) {
		bool plain = (*name >= '0' && *name <= '9') || (*name >= 'a' && *name <= 'z') ||
			     (*name >= 'A' && *name <= 'Z') || strchr("-._~", *name);
		at += sprintf(at, plain ? "%c" : "%%%02X", (unsigned char)*name);
	}
	strcpy(at, suffix);
	return target;
}

char *client_guest_target(const char *name, const char *suffix)
{
	return target_of("/v1/guests/", name, suffix);
}

char *client_template_target(const char *name)
{
	return target_of("/v1/templates/", name, "");
}
