/* SPDX-License-Identifier: MIT */
/* Process cells from outside: signals without end to all processes of guests, and to those that are just being made, whatever the
 * hypervisor does with the guests meanwhile. */
#include <cassin/trace.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "debug_session.h"
#include "stubs.h"

#define ROUNDS_MS 8000

struct storm {
	pthread_t thread;
	atomic_bool stop;
	atomic_uint sent;
	unsigned pause_us; /* at most, between two */
	bool kills;
};

static void *blow(void *opaque)
{
	static const int harmless[] = {SIGSTOP, SIGCONT, SIGSTOP, SIGTSTP, SIGSEGV, SIGTRAP, SIGSYS};
	struct storm *s = opaque;
	pid_t all[STUBS_MOST];
	unsigned seed = 5;
	while (!s->stop) {
		unsigned n = stubs_of(getpid(), all, false); /* the newest, too, which are no stubs yet */
		for (unsigned i = 0; i < 20 && n && !s->stop; i++) {
			pid_t pid = all[(unsigned)rand_r(&seed) % n];
			int signal = harmless[(unsigned)rand_r(&seed) % (sizeof harmless / sizeof *harmless)];
			if (s->kills && rand_r(&seed) % 8 == 0)
				signal = SIGKILL;
			s->sent += !(rand_r(&seed) % 2 ? kill(pid, signal) : syscall(SYS_tgkill, pid, pid, signal));
			usleep((useconds_t)rand_r(&seed) % s->pause_us);
		}
	}
	return NULL;
}

static void begin(struct storm *s)
{
	EXPECT_IS(pthread_create(&s->thread, NULL, blow, s), 0);
}

static void end(struct storm *s)
{
	s->stop = true;
	pthread_join(s->thread, NULL);
	EXPECT(s->sent > 100);
}

/* ---- What is done with guests; `killed`: each step may fail, and its guest may have ended, but all of it comes to an end ---- */

static void await_its_end(struct world *w, uint64_t id, int code, bool killed)
{
	if (!killed) {
		expect_exit(w, id, code, 60);
		return;
	}
	struct cassin_guest_status s;
	uint64_t until = now_ns() + 2000 * MS; /* one that sleeps hears of its process's end when it is to run */
	while ((s = status_of(w, id)).state <= CASSIN_GUEST_RUNNING && now_ns() < until)
		sleep_ms(2);
	if (s.state <= CASSIN_GUEST_RUNNING)
		EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
	await_end(w, id, 60);
}

static void clones(struct world *w, bool killed)
{
	struct cassin_guest_spec s = spec_of(w, "t", "upcall", "wait");
	struct cassin_error_text err = {0};
	uint64_t ids[4];
	int r = cassin_engine_template_create(w->e, &s, 20 * 1000 * MS, NULL, &err);
	cassin_spec_free(&s);
	EXPECT(!r || killed);
	for (unsigned i = 0; i < 4 && !r; i++) {
		char name[32];
		snprintf(name, sizeof name, "clone%u", i);
		s = spec_of(w, name, "upcall", NULL);
		free(s.image);
		s.image = NULL;
		s.from_template = strdup("t");
		ids[i] = spawn_spec(w, &s);
	}
	for (unsigned i = 0; i < 4 && !r; i++) {
		await_its_end(w, ids[i], 0, killed);
		EXPECT_IS(cassin_engine_guest_remove(w->e, ids[i]), 0);
	}
	if (!r)
		EXPECT_IS(cassin_engine_template_remove(w->e, "t"), 0);
}

static void parkings(struct world *w, bool killed)
{
	uint64_t id = spawn(w, "parked", "upcall", "wait");
	for (unsigned i = 0; i < 20 && status_of(w, id).state <= CASSIN_GUEST_RUNNING; i++) {
		cassin_engine_guest_park(w->e, id);
		sleep_ms(2);
	}
	await_its_end(w, id, 0, killed);
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
}

static void moves(struct world *w, bool killed)
{
	uint64_t ids[5];
	for (unsigned i = 0; i < 5; i++) {
		char name[32];
		snprintf(name, sizeof name, "mover%u", i);
		ids[i] = spawn(w, name, "hog", "registers 30");
	}
	for (unsigned i = 0; i < 5; i++) {
		await_its_end(w, ids[i], 0, killed);
		EXPECT_IS(cassin_engine_guest_remove(w->e, ids[i]), 0);
	}
}

static void debugging(struct world *w, bool killed)
{
	struct session s;
	struct cassin_debug_registers r;
	spawn_stopped(w, &s, "debugged", "life", "exit 3");
	struct cassin_debug_event event = await_event(w, &s);
	for (unsigned i = 0; i < 40 && event.kind == DEBUG_STOPPED; i++) {
		if (!killed)
			EXPECT_IS(cassin_engine_debug_registers(s.d, &r), 0);
		if (cassin_engine_debug_resume(s.d, true))
			break;
		event = await_event(w, &s);
	}
	EXPECT(killed || event.kind == DEBUG_STOPPED);
	cassin_engine_debug_detach(s.d);
	await_its_end(w, s.guest, 3, killed);
	EXPECT_IS(cassin_engine_guest_remove(w->e, s.guest), 0);
}

static void traces(struct world *w, bool killed)
{
	uint64_t id = spawn(w, "traced", "life", "read"), lost;
	struct cassin_trace *t = NULL;
	struct cassin_trace_record r = {0};
	if (!killed)
		await_text(w, id, "reading");
	int e = cassin_engine_trace_start(w->e, id, &t);
	EXPECT(!e || killed);
	for (unsigned i = 0; i < 20; i++)
		cassin_engine_guest_input(w->e, id, "hello\n", 6);
	cassin_engine_guest_input(w->e, id, "", 0);
	await_its_end(w, id, 0, killed);
	for (uint64_t until = now_ns() + 5000 * MS; !e && r.kind != CASSIN_TRACE_END && now_ns() < until;)
		cassin_engine_trace_read(t, &r, 1, &lost);
	EXPECT(e || r.kind == CASSIN_TRACE_END);
	if (!e)
		cassin_engine_trace_stop(t);
	EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
}

static void spaces(struct world *w, bool killed)
{
	uint64_t ids[2] = {spawn(w, "spaces", "user-spaces", "live 10"),
			   spawn(w, "copies", "memory", "copy-on-write 100")};
	for (unsigned i = 0; i < 2; i++) {
		await_its_end(w, ids[i], 0, killed);
		EXPECT_IS(cassin_engine_guest_remove(w->e, ids[i]), 0);
	}
}

static void all_of_it(struct world *w, struct storm *s)
{
	void (*const deeds[])(struct world *, bool) = {clones, parkings, moves, debugging, traces, spaces};
	begin(s);
	for (uint64_t until = now_ns() + ROUNDS_MS * MS; now_ns() < until;) {
		for (unsigned i = 0; i < sizeof deeds / sizeof *deeds; i++)
			deeds[i](w, s->kills);
	}
	end(s);
	expect_exit(w, spawn(w, "after", "memory", "zero 64"), 0, 0);
	expect_balance(w);
}

static void stopped(struct world *w, const struct test *t)
{
	struct storm s = {.pause_us = 300};
	(void)t;
	all_of_it(w, &s);
	EXPECT_IS(stats_of(w).crashes, 0);
}

static void killed(struct world *w, const struct test *t)
{
	struct storm s = {.pause_us = 1000, .kills = true};
	(void)t;
	all_of_it(w, &s);
}

const struct test tests_process_storms[] = {
	ON_PROCESS("storm-of-stops", stopped, .seconds = 120),
	ON_PROCESS("storm-of-kills", killed, .seconds = 120),
	{0},
};
