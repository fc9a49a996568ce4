/* SPDX-License-Identifier: MIT */
#include "debug_session.h"

#include <time.h>

void session_notify(void *opaque)
{
	sem_post(opaque);
}

void attach(struct world *w, struct session *s, uint64_t guest)
{
	sem_init(&s->rung, 0, 0);
	s->guest = guest;
	EXPECT_IS(cassin_engine_debug_attach(w->e, guest, session_notify, &s->rung, &s->d), 0);
}

void spawn_stopped(struct world *w, struct session *s, const char *name, const char *image, const char *args)
{
	struct cassin_guest_spec spec = spec_of(w, name, image, args);
	struct cassin_error_text err = {0};
	sem_init(&s->rung, 0, 0);
	int r = cassin_engine_debug_spawn(w->e, &spec, &s->guest, session_notify, &s->rung, &s->d, &err);
	if (r)
		fail("%s", err.text);
	cassin_spec_free(&spec);
}

struct cassin_debug_event await_event(struct world *w, struct session *s)
{
	struct cassin_debug_event event;
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 10 * w->slow;
	while (!cassin_engine_debug_event(s->d, &event)) {
		if (sem_timedwait(&s->rung, &until) && errno != EINTR)
			fail("no event of the debugged guest");
	}
	return event;
}

struct cassin_debug_event expect_stop(struct world *w, struct session *s, int sig)
{
	struct cassin_debug_event event = await_event(w, s);
	EXPECT_IS(event.kind, DEBUG_STOPPED);
	EXPECT_IS(event.signal, sig);
	return event;
}

void resume(struct session *s)
{
	EXPECT_IS(cassin_engine_debug_resume(s->d, false), 0);
}

struct cassin_debug_registers registers(struct session *s)
{
	struct cassin_debug_registers r;
	EXPECT_IS(cassin_engine_debug_registers(s->d, &r), 0);
	return r;
}

uint64_t step(struct world *w, struct session *s)
{
	EXPECT_IS(cassin_engine_debug_resume(s->d, true), 0);
	expect_stop(w, s, SIGTRAP);
	return registers(s).rip;
}

bool runs_on(struct world *w, uint64_t id)
{
	uint64_t before = status_of(w, id).counters.virtual_ns, end = now_ns() + 5000 * MS * w->slow;
	while (status_of(w, id).counters.virtual_ns == before && now_ns() < end)
		sleep_ms(5);
	return status_of(w, id).counters.virtual_ns != before;
}
