/* SPDX-License-Identifier: MIT */
#include "gdb_session.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gdb_packets.h"
#include "gdb_registers.h"

struct session {
	struct gdb_client client;
	struct rsp in;
	struct rsp_reply out; /* the last, for a client that did not get it */
	int fd;
	bool over;
};

void gdb_target_notify(void *opaque)
{
	const struct gdb_target *t = opaque;
	uint64_t one = 1;
	if (write(t->rung, &one, sizeof one) < 0)
		return; /* the counter is full: it has been rung */
}

static void send_all(struct session *s, const char *bytes, size_t len)
{
	while (len && !s->over) {
		ssize_t n = send(s->fd, bytes, len, MSG_NOSIGNAL);
		if (n > 0) {
			bytes += n;
			len -= (size_t)n;
		} else if (errno != EINTR) {
			s->over = true;
		}
	}
}

static void send_reply(struct session *s)
{
	if (s->out.full) {
		rsp_begin(&s->out);
		rsp_put(&s->out, "E%02x", EMSGSIZE);
	}
	rsp_end(&s->out);
	send_all(s, s->out.bytes, s->out.len);
	s->over |= s->client.leaves;
}

/* ---- From the guest ---- */

static void on_rung(struct session *s)
{
	struct gdb_client *c = &s->client;
	struct gdb_target *t = c->target;
	uint64_t rung;
	struct cassin_debug_event event;
	if (read(t->rung, &rung, sizeof rung) < 0 || !cassin_engine_debug_event(t->debugger, &event))
		return;
	c->stop = event;
	c->ended = event.kind != DEBUG_STOPPED;
	if (!c->running)
		return;
	c->running = false;
	rsp_begin(&s->out);
	gdb_stop_reply(c, &s->out);
	send_reply(s);
}

/* ---- From the client ---- */

static void on_packet(struct session *s)
{
	bool quiet = s->client.quiet;
	if (!quiet)
		send_all(s, "+", 1);
	rsp_begin(&s->out);
	if (gdb_packet(&s->client, &s->in, &s->out))
		send_reply(s);
	s->over |= s->client.leaves;
}

static void on_byte(struct session *s, unsigned char byte)
{
	switch (rsp_feed(&s->in, byte)) {
	case RSP_NOTHING:
	case RSP_ACK:
		break;
	case RSP_PACKET:
		on_packet(s);
		break;
	case RSP_DAMAGED:
		if (!s->client.quiet)
			send_all(s, "-", 1);
		break;
	case RSP_NAK:
		if (!s->client.quiet)
			send_all(s, s->out.bytes, s->out.len);
		break;
	case RSP_INTERRUPT:
		cassin_engine_debug_stop(s->client.target->debugger);
		break;
	case RSP_TOO_LONG:
		s->over = true;
		break;
	}
}

static void on_readable(struct session *s)
{
	unsigned char bytes[4096];
	ssize_t n = recv(s->fd, bytes, sizeof bytes, 0);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	s->over |= n <= 0;
	for (ssize_t i = 0; i < n && !s->over; i++)
		on_byte(s, bytes[i]);
}

static void serve(struct session *s, int quit)
{
	while (!s->over) {
		struct pollfd watched[] = {
			{.fd = s->client.target->rung, .events = POLLIN},
			{.fd = s->fd, .events = POLLIN},
			{.fd = quit, .events = POLLIN},
		};
		if (poll(watched, 3, -1) < 0 && errno != EINTR)
			return;
		if (watched[0].revents & POLLIN)
			on_rung(s);
		if (watched[1].revents && !s->over)
			on_readable(s);
		if (watched[2].revents & POLLIN) /* after the guest's end was told, if that is why */
			return;
	}
}

static int attach(struct gdb_target *t)
{
	return t->debugger ? 0 : cassin_engine_debug_attach(t->engine, t->guest, gdb_target_notify, t, &t->debugger);
}

int gdb_session(struct gdb_target *t, int fd, int quit)
{
	struct session *s = calloc(1, sizeof *s);
	char *xml = gdb_target_xml();
	int result = s && xml ? attach(t) : -ENOMEM;
	if (result == 0) {
		int flags = fcntl(fd, F_GETFL);
		fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
		s->fd = fd;
		s->client.target = t;
		s->client.xml = xml;
		s->client.stop = (struct cassin_debug_event){.kind = DEBUG_STOPPED, .signal = SIGTRAP};
		serve(s, quit);
		cassin_engine_debug_detach(t->debugger);
		t->debugger = NULL;
	}
	free(xml);
	free(s);
	return result;
}
