/* SPDX-License-Identifier: MIT */
#include "debug.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../common/gdb_session.h"
#include "log.h"

struct debug_session {
	struct debug_session *next;
	pthread_t thread;
	struct gdb_target target;
	int fd, quit;
	const struct cassin_sandbox *sandbox;
	atomic_bool over;
};

static void answer(int fd, const char *format, const char *why)
{
	char text[128];
	int len = snprintf(text, sizeof text, format, why);
	send(fd, text, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static const char *why(int error)
{
	switch (error) {
	case -EBUSY:
		return "another debugger is attached to it";
	case -ESRCH:
		return "it does not run";
	case -ENOENT:
		return "it has been removed";
	default:
		return strerror(-error);
	}
}

static void *session_main(void *opaque)
{
	struct debug_session *s = opaque;
	struct gdb_target *t = &s->target;
	struct cassin_error_text err = {""};
	int result = cassin_sandbox_enter(s->sandbox, CASSIN_SANDBOX_DEBUGGER, &err);
	if (result == 0)
		result = cassin_engine_debug_attach(t->engine, t->guest, gdb_target_notify, t, &t->debugger);
	if (result == 0) {
		answer(s->fd, "OK\n%s", "");
		result = gdb_session(t, s->fd, s->quit);
		if (result < 0) /* nobody listens any more */
			log_warn("a debugger was turned away: %s", why(result));
	} else {
		answer(s->fd, "ERR it cannot be debugged: %s\n", why(result));
	}
	shutdown(s->fd, SHUT_RDWR); /* closed when nobody else can use the number any more */
	atomic_store(&s->over, true);
	return NULL;
}

enum reaped { REAP_ENDED, REAP_ALL };

/* Joins the threads that have ended; with REAP_ALL, waits for the others, too. */
static void reap(struct daemon *d, enum reaped which)
{
	struct debug_session **link = &d->debugging;
	while (*link) {
		struct debug_session *s = *link;
		if (which == REAP_ENDED && !atomic_load(&s->over)) {
			link = &s->next;
			continue;
		}
		pthread_join(s->thread, NULL);
		close(s->fd);
		close(s->target.rung);
		*link = s->next;
		d->ndebugging--;
		free(s);
	}
}

void debug_session_start(struct daemon *d, uint64_t guest, int fd)
{
	reap(d, REAP_ENDED);
	struct debug_session *s = d->ndebugging < DEBUG_SESSIONS_MAX ? calloc(1, sizeof *s) : NULL;
	int result = s ? 0 : -EAGAIN;
	if (s) {
		s->target = (struct gdb_target){.engine = d->engine, .guest = guest, .rung = eventfd(0, EFD_CLOEXEC)};
		s->fd = fd;
		s->quit = d->debug_quit;
		s->sandbox = d->sandbox;
		result = s->target.rung < 0 ? -errno : -pthread_create(&s->thread, NULL, session_main, s);
	}
	if (result == 0) {
		s->next = d->debugging;
		d->debugging = s;
		d->ndebugging++;
		return;
	}
	answer(fd, "ERR %s\n", result == -EAGAIN ? "too many guests are being debugged" : strerror(-result));
	close(fd);
	if (s && s->target.rung >= 0)
		close(s->target.rung);
	free(s);
}

void debug_sessions_end(struct daemon *d)
{
	uint64_t one = 1;
	if (write(d->debug_quit, &one, sizeof one) < 0)
		log_warn("cannot end the debuggers: %s", strerror(errno));
	for (struct debug_session *s = d->debugging; s; s = s->next)
		shutdown(s->fd, SHUT_RDWR); /* it may wait for its client to read */
	reap(d, REAP_ALL);
	close(d->debug_quit);
}
