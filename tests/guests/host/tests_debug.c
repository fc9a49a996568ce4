/* SPDX-License-Identifier: MIT */
/* Debugged guests: they stop, show and take registers and memory, step, and go on as if nothing had been. */
#include <cassin/abi.h>

#include "debug_session.h"

#define HLT 0xf4

static void starts_before_the_first_instruction(struct world *w, const struct test *t)
{
	struct session s;
	(void)t;
	spawn_stopped(w, &s, "g", "life", "exit 7");
	EXPECT(!expect_stop(w, &s, SIGTRAP).breakpoint);
	struct cassin_debug_registers r = registers(&s);
	EXPECT_IS(r.general[5], r.general[7]); /* rdi is the boot record's address, and so is rsp */
	EXPECT_IS(r.cs & 3, 3);
	EXPECT_IS(r.fctrl, 0x37f);
	EXPECT_IS(r.mxcsr, 0x1f80);
	EXPECT_IS(status_of(w, s.guest).state, CASSIN_GUEST_RUNNING);
	EXPECT_IS(status_of(w, s.guest).counters.exits, 0);
	resume(&s);
	struct cassin_debug_event end = await_event(w, &s);
	EXPECT_IS(end.kind, DEBUG_EXITED);
	EXPECT_IS(end.code, 7);
	EXPECT_IS(cassin_engine_debug_registers(s.d, &r), -ESRCH);
	EXPECT_IS(cassin_engine_debug_resume(s.d, false), -ESRCH);
	cassin_engine_debug_detach(s.d);
	expect_exit(w, s.guest, 7, 0);
}

/* Through hypercalls and page faults, and to the very end. */
static void steps_to_the_end(struct world *w, const struct test *t)
{
	struct session s;
	uint64_t at, steps = 0;
	struct cassin_debug_event event;
	(void)t;
	spawn_stopped(w, &s, "g", "life", "exit 3");
	expect_stop(w, &s, SIGTRAP);
	at = registers(&s).rip;
	do {
		uint64_t before = at;
		EXPECT_IS(cassin_engine_debug_resume(s.d, true), 0);
		event = await_event(w, &s);
		if (event.kind == DEBUG_STOPPED) {
			EXPECT_IS(event.signal, SIGTRAP);
			struct cassin_debug_registers r = registers(&s);
			EXPECT(!(r.rflags & 0x100));
			at = r.rip;
			EXPECT(at != before || steps > 10);
		}
	} while (event.kind == DEBUG_STOPPED && ++steps < 100000);
	EXPECT_IS(event.kind, DEBUG_EXITED);
	EXPECT_IS(event.code, 3);
	EXPECT(steps > 20);
	cassin_engine_debug_detach(s.d);
	expect_exit(w, spawn(w, "after", "memory", "zero 64"), 0, 0);
}

static void breakpoint_stops_its_guest_alone(struct world *w, const struct test *t)
{
	struct session s;
	uint64_t va = 0;
	unsigned char code[16], again[16], now;
	(void)t;
	spawn_stopped(w, &s, "first", "life", "exit 7");
	expect_stop(w, &s, SIGTRAP);
	for (int i = 0; i < 12; i++)
		va = step(w, &s);
	EXPECT_IS(cassin_engine_guest_remove(w->e, s.guest), 0);
	EXPECT_IS(await_event(w, &s).kind, DEBUG_KILLED);
	cassin_engine_debug_detach(s.d);

	spawn_stopped(w, &s, "second", "life", "exit 7");
	expect_stop(w, &s, SIGTRAP);
	EXPECT_IS(cassin_engine_debug_read(s.d, va, code, sizeof code), sizeof code);
	EXPECT_IS(cassin_engine_debug_breakpoint(s.d, va, true), 0);
	EXPECT_IS(cassin_engine_debug_breakpoint(s.d, va, true), 0);
	EXPECT_IS(cassin_engine_debug_read(s.d, va, again, sizeof again), sizeof again);
	EXPECT_IS(memcmp(code, again, sizeof code), 0);
	resume(&s);
	expect_exit(w, spawn(w, "other", "life", "exit 5"), 5, 0);
	EXPECT(expect_stop(w, &s, SIGTRAP).breakpoint);
	EXPECT_IS(registers(&s).rip, va);
	now = HLT ^ 0xff;
	EXPECT_IS(cassin_engine_debug_write(s.d, va, &now, 1), 0); /* beneath the breakpoint */
	EXPECT_IS(cassin_engine_debug_read(s.d, va, &now, 1), 1);
	EXPECT_IS(now, HLT ^ 0xff);
	EXPECT_IS(cassin_engine_debug_write(s.d, va, code, sizeof code), 0);
	EXPECT_IS(cassin_engine_debug_breakpoint(s.d, va, false), 0);
	EXPECT_IS(cassin_engine_debug_breakpoint(s.d, va, false), -ENOENT);
	EXPECT(step(w, &s) != va);
	EXPECT_IS(cassin_engine_debug_breakpoint(s.d, va, true), 0); /* one that a detached debugger leaves behind */
	cassin_engine_debug_detach(s.d);
	expect_exit(w, s.guest, 7, 0);
}

static void breakpoints_are_bounded(struct world *w, const struct test *t)
{
	struct session s;
	struct cassin_debug_registers r;
	unsigned n = 0;
	(void)t;
	spawn_stopped(w, &s, "g", "life", "exit 7");
	expect_stop(w, &s, SIGTRAP);
	r = registers(&s);
	EXPECT_IS(cassin_engine_debug_breakpoint(s.d, 0x20, true), -EFAULT);
	EXPECT_IS(cassin_engine_debug_breakpoint(s.d, CASSIN_VA_END, true), -EFAULT);
	EXPECT_IS(cassin_engine_debug_breakpoint(s.d, UINT64_MAX, true), -EFAULT);
	while (n < 2 * CASSIN_DEBUG_BREAKPOINTS_MAX &&
	       !cassin_engine_debug_breakpoint(s.d, r.general[7] - 4000 + n, true))
		n++;
	EXPECT_IS(n, CASSIN_DEBUG_BREAKPOINTS_MAX);
	EXPECT_IS(cassin_engine_debug_breakpoint(s.d, r.general[7] - 4000 + n, true), -ENOSPC);
	cassin_engine_debug_detach(s.d);
	expect_exit(w, s.guest, 7, 0);
}

static void stops_one_that_computes(struct world *w, const struct test *t)
{
	struct session s, other;
	uint64_t id = spawn(w, "g", "hog", "spin"), beside = spawn(w, "beside", "hog", "spin");
	await_text(w, id, "spinning");
	await_text(w, beside, "spinning");
	for (int round = 0; round < 3; round++) {
		attach(w, &s, id);
		expect_stop(w, &s, SIGTRAP);
		EXPECT_IS(cassin_engine_debug_attach(w->e, id, session_notify, &s.rung, &other.d), -EBUSY);
		struct cassin_debug_registers r = registers(&s), again;
		EXPECT(r.rip);
		memset(r.xmm[3], 0x5a, sizeof r.xmm[3]);
		r.xmm[15][0] = (uint8_t)round;
		r.general[13] = 0x123456789abcdef0 + (unsigned)round;
		EXPECT_IS(cassin_engine_debug_set_registers(s.d, &r), 0);
		EXPECT(runs_on(w, beside));
		resume(&s);
		EXPECT_IS(cassin_engine_debug_registers(s.d, &again), -EBUSY);
		EXPECT_IS(cassin_engine_debug_read(s.d, r.rip, &again, 1), -EBUSY);
		EXPECT(runs_on(w, id));
		EXPECT_IS(cassin_engine_debug_stop(s.d), 0);
		expect_stop(w, &s, SIGINT);
		again = registers(&s);
		EXPECT_IS(memcmp(again.xmm, r.xmm, sizeof r.xmm), 0);
		EXPECT_IS(again.general[13], r.general[13]);
		for (int i = 0; i < 5; i++)
			step(w, &s);
		EXPECT_IS(registers(&s).general[13], r.general[13]);
		EXPECT_IS(memcmp(registers(&s).xmm, r.xmm, sizeof r.xmm), 0);
		cassin_engine_debug_detach(s.d);
		EXPECT(runs_on(w, id));
	}
	(void)t;
}

static void waits_on_behind_the_stop(struct world *w, const struct test *t)
{
	struct session s;
	uint64_t id = spawn(w, "g", "life", "read");
	(void)t;
	await_text(w, id, "reading");
	while (!status_of(w, id).ready)
		sleep_ms(2);
	attach(w, &s, id);
	expect_stop(w, &s, SIGTRAP);
	uint64_t at = registers(&s).rip;
	resume(&s);
	sleep_ms(50);
	EXPECT_IS(cassin_engine_debug_stop(s.d), 0);
	expect_stop(w, &s, SIGINT);
	EXPECT_IS(registers(&s).rip, at);
	EXPECT_IS(cassin_engine_guest_park(w->e, id), -EBUSY);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "one\n", 4), 4);
	sleep_ms(100);
	EXPECT(!strstr(console_of(w, id), "one"));
	resume(&s);
	await_text(w, id, "read: one");
	EXPECT_IS(cassin_engine_debug_stop(s.d), 0);
	expect_stop(w, &s, SIGINT);
	EXPECT_IS(cassin_engine_debug_resume(s.d, true), 0); /* ends with the wait */
	sleep_ms(50);
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "two\n", 4), 4);
	expect_stop(w, &s, SIGTRAP);
	cassin_engine_debug_detach(s.d);
	await_text(w, id, "read: two");
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "", 0), 0);
	expect_exit(w, id, 0, 0);
}

static void parked_one_is_unparked(struct world *w, const struct test *t)
{
	struct session s;
	unsigned char bytes[64];
	(void)t;
	for (int look = 0; look < 2; look++) {
		uint64_t id = spawn(w, look ? "looked-at" : "left-alone", "life", "read");
		while (!status_of(w, id).ready)
			sleep_ms(2);
		EXPECT_IS(cassin_engine_guest_park(w->e, id), 0);
		EXPECT(status_of(w, id).parked);
		attach(w, &s, id);
		expect_stop(w, &s, SIGTRAP);
		EXPECT(!status_of(w, id).parked);
		if (look)
			EXPECT_IS(cassin_engine_debug_read(s.d, registers(&s).general[7], bytes, sizeof bytes),
				  sizeof bytes);
		cassin_engine_debug_detach(s.d);
		EXPECT_IS(cassin_engine_guest_park(w->e, id), 0); /* it waits again */
		EXPECT(status_of(w, id).parked);
		EXPECT_IS(cassin_engine_guest_input(w->e, id, "one\n", 4), 4);
		await_text(w, id, "read: one");
	}
}

static void sleeper_wakes_in_time(struct world *w, const struct test *t)
{
	struct session s;
	uint64_t id = spawn(w, "g", "life", "ready"); /* sleeps a second at a time */
	(void)t;
	while (!status_of(w, id).ready)
		sleep_ms(2);
	attach(w, &s, id);
	expect_stop(w, &s, SIGTRAP);
	sleep_ms(1500);
	uint64_t before = status_of(w, id).counters.hypercalls;
	resume(&s); /* its deadline has passed meanwhile */
	uint64_t end = now_ns() + 10000 * MS * w->slow;
	while (status_of(w, id).counters.hypercalls == before && now_ns() < end)
		sleep_ms(2);
	EXPECT(status_of(w, id).counters.hypercalls > before);
	cassin_engine_debug_detach(s.d);
}

static void crash_stops_first(struct world *w, const struct test *t)
{
	static const struct {
		const char *args;
		int signal;
		const char *says;
	} ways[] = {{"ud2", SIGILL, "invalid opcode"},
		    {"read-null", SIGSEGV, "null pointer"},
		    {"hlt", SIGSEGV, "general protection"},
		    {"div0", SIGFPE, "divide error"},
		    {"port-80", SIGSEGV, "forbidden port"}};
	(void)t;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		struct session s;
		spawn_stopped(w, &s, ways[i].args, "faults", ways[i].args);
		expect_stop(w, &s, SIGTRAP);
		resume(&s);
		expect_stop(w, &s, ways[i].signal);
		EXPECT_IS(status_of(w, s.guest).state, CASSIN_GUEST_RUNNING);
		EXPECT(registers(&s).rip);
		EXPECT_IS(cassin_engine_debug_resume(s.d, i % 2), 0);
		EXPECT_IS(await_event(w, &s).kind, DEBUG_CRASHED);
		cassin_engine_debug_detach(s.d);
		expect_crash(w, s.guest, ways[i].says);
	}
}

static void detaching_from_a_crash_ends_it(struct world *w, const struct test *t)
{
	struct session s;
	(void)t;
	spawn_stopped(w, &s, "g", "faults", "ud2");
	expect_stop(w, &s, SIGTRAP);
	resume(&s);
	expect_stop(w, &s, SIGILL);
	cassin_engine_debug_detach(s.d);
	expect_crash(w, s.guest, "invalid opcode");
}

/* A debugger that puts it elsewhere has repaired it. */
static void crash_can_be_repaired(struct world *w, const struct test *t)
{
	struct session s;
	(void)t;
	spawn_stopped(w, &s, "g", "faults", "ud2");
	expect_stop(w, &s, SIGTRAP);
	resume(&s);
	expect_stop(w, &s, SIGILL);
	struct cassin_debug_registers r = registers(&s);
	r.rip += 2; /* behind the ud2 */
	EXPECT_IS(cassin_engine_debug_set_registers(s.d, &r), 0);
	resume(&s);
	EXPECT_IS(await_event(w, &s).kind, DEBUG_EXITED);
	cassin_engine_debug_detach(s.d);
	await_end(w, s.guest, 10);
	EXPECT(!cassin_engine_guest_report(w->e, s.guest));
}

/* A function that a debugger calls returns to where nothing is executable. */
static void breakpoint_need_not_be_in_code(struct world *w, const struct test *t)
{
	struct session s;
	(void)t;
	spawn_stopped(w, &s, "g", "life", "exit 7");
	expect_stop(w, &s, SIGTRAP);
	struct cassin_debug_registers before = registers(&s), r = before;
	EXPECT_IS(cassin_engine_debug_breakpoint(s.d, r.general[7] - 256, true), 0);
	r.rip = r.general[7] - 256;
	EXPECT_IS(cassin_engine_debug_set_registers(s.d, &r), 0);
	resume(&s);
	EXPECT(expect_stop(w, &s, SIGTRAP).breakpoint);
	EXPECT_IS(registers(&s).rip, r.rip);
	EXPECT_IS(cassin_engine_debug_set_registers(s.d, &before), 0);
	cassin_engine_debug_detach(s.d);
	expect_exit(w, s.guest, 7, 0);
}

static void others_may_end_it(struct world *w, const struct test *t)
{
	struct cassin_error_text err;
	struct session s;
	(void)t;
	uint64_t id = spawn(w, "g", "life", "read");
	for (int way = 0; way < 3; way++) {
		attach(w, &s, id);
		expect_stop(w, &s, SIGTRAP);
		if (way == 0)
			EXPECT_IS(cassin_engine_guest_restart(w->e, id, &err), 0);
		else if (way == 1)
			EXPECT_IS(cassin_engine_guest_stop(w->e, id, 10 * MS), 0);
		else
			EXPECT_IS(cassin_engine_guest_remove(w->e, id), 0);
		EXPECT_IS(await_event(w, &s).kind, DEBUG_KILLED);
		EXPECT_IS(cassin_engine_debug_stop(s.d), -ESRCH);
		cassin_engine_debug_detach(s.d);
		if (way == 1)
			EXPECT_IS(cassin_engine_guest_restart(w->e, id, &err), 0);
	}
	EXPECT_IS(cassin_engine_debug_attach(w->e, id, session_notify, &s.rung, &s.d), -ENOENT);
	id = spawn(w, "ended", "life", "exit 0");
	expect_exit(w, id, 0, 0);
	EXPECT_IS(cassin_engine_debug_attach(w->e, id, session_notify, &s.rung, &s.d), -ESRCH);
}

static void what_it_must_not_reach(struct world *w, const struct test *t)
{
	struct session s;
	uint64_t id = spawn(w, "g", "hog", "spin");
	unsigned char bytes[CASSIN_DEBUG_IO_MAX] = {1};
	(void)t;
	await_text(w, id, "spinning");
	attach(w, &s, id);
	expect_stop(w, &s, SIGTRAP);
	struct cassin_debug_registers r = registers(&s), bad = r;
	bad.rip = CASSIN_VA_END;
	EXPECT_IS(cassin_engine_debug_set_registers(s.d, &bad), -EINVAL);
	bad.rip = r.rip;
	bad.fs_base = CASSIN_VA_END;
	EXPECT_IS(cassin_engine_debug_set_registers(s.d, &bad), -EINVAL);
	bad.fs_base = r.fs_base;
	bad.rflags = UINT64_MAX;
	bad.cs = 8;
	bad.mxcsr = UINT32_MAX;
	EXPECT_IS(cassin_engine_debug_set_registers(s.d, &bad), 0);
	EXPECT_IS(registers(&s).cs, r.cs);
	EXPECT_IS(cassin_engine_debug_read(s.d, 0, bytes, 1), -EFAULT);
	EXPECT_IS(cassin_engine_debug_read(s.d, 0x8000000000, bytes, 1), -EFAULT);
	EXPECT_IS(cassin_engine_debug_read(s.d, UINT64_MAX, bytes, 2), -EFAULT);
	EXPECT_IS(cassin_engine_debug_write(s.d, 0x8000000000, bytes, 1), -EFAULT);
	EXPECT_IS(cassin_engine_debug_write(s.d, 0x8000000000 - 1, bytes, 2), -EFAULT);
	EXPECT_IS(cassin_engine_debug_write(s.d, UINT64_MAX, bytes, 2), -EFAULT);
	EXPECT_IS(cassin_engine_debug_write(s.d, 0x400000, bytes, CASSIN_DEBUG_IO_MAX + 1), -EINVAL);
	/* Above the stack: a guard page, the clock page, the info page. */
	uint64_t high = (r.general[7] | 0xfff) + 1;
	while (cassin_engine_debug_read(s.d, high, bytes, 1) == 1)
		high += 4096;
	EXPECT_IS(cassin_engine_debug_read(s.d, high - 16, bytes, 64), 16);
	EXPECT_IS(cassin_engine_debug_read(s.d, high + 4096, bytes, 8), 8);
	EXPECT_IS(cassin_engine_debug_write(s.d, high + 4096, bytes, 8), -EFAULT);
	EXPECT_IS(cassin_engine_debug_write(s.d, high + 8192, bytes, 8), -EFAULT);
	EXPECT_IS(cassin_engine_debug_write(s.d, high - 4, bytes, 8), -EFAULT);
	cassin_engine_debug_detach(s.d);
	EXPECT(runs_on(w, id));
}

/* Interrupted and stepped at any instruction, a guest keeps what it has. */
static void leaves_no_trace(struct world *w, const struct test *t)
{
	struct session s;
	uint64_t id = spawn(w, "g", t->image, t->args);
	spawn(w, "beside", "hog", "nap");
	bool over = false;
	for (int round = 0; round < 60 && !over; round++) {
		sleep_ms((unsigned)round % 7);
		sem_init(&s.rung, 0, 0);
		if (cassin_engine_debug_attach(w->e, id, session_notify, &s.rung, &s.d))
			break;
		over = await_event(w, &s).kind != DEBUG_STOPPED;
		for (int i = 0; i < round % 5 && !over; i++)
			over = cassin_engine_debug_resume(s.d, true) || await_event(w, &s).kind != DEBUG_STOPPED;
		cassin_engine_debug_detach(s.d);
	}
	expect_exit(w, id, 0, t->seconds);
}

/* With caps on their CPU time, guests spend most of theirs waiting for the next period. */
static void capped_ones_get_their_turns(struct world *w, const struct test *t)
{
	uint64_t ids[3];
	(void)t;
	for (int i = 0; i < 3; i++) {
		char name[16];
		snprintf(name, sizeof name, "g%d", i);
		struct cassin_guest_spec spec = spec_of(w, name, "hog", "spin");
		spec.cpu_quota_us = 20000;
		spec.cpu_period_us = 100000;
		ids[i] = spawn_spec(w, &spec);
		await_text(w, ids[i], "spinning");
	}
	for (int round = 0; round < 9; round++) {
		struct session s;
		attach(w, &s, ids[round % 3]);
		expect_stop(w, &s, SIGTRAP);
		if (round % 2)
			step(w, &s);
		EXPECT(runs_on(w, ids[(round + 1) % 3]));
		EXPECT(runs_on(w, ids[(round + 2) % 3]));
		cassin_engine_debug_detach(s.d);
		EXPECT(runs_on(w, ids[round % 3]));
	}
}

/* user-time's `spin`: incq 0x500000; jmp. Its guest's own image begins at the same address. */
static void user_code_is_seen_as_it_is(struct world *w, const struct test *t)
{
	static const unsigned char spin[] = {0x48, 0xff, 0x04, 0x25, 0x00, 0x00, 0x50, 0x00, 0xeb, 0xf6};
	const uint64_t code = 0x400000;
	uint64_t id = spawn(w, "g", "user-time", "deadline 100000"), end = now_ns() + t->seconds * 500 * MS;
	unsigned char bytes[sizeof spin];
	struct session s;
	for (;;) {
		attach(w, &s, id);
		expect_stop(w, &s, SIGTRAP);
		EXPECT_IS(cassin_engine_debug_read(s.d, code, bytes, sizeof bytes), sizeof bytes);
		if (!memcmp(bytes, spin, sizeof bytes))
			break;
		cassin_engine_debug_detach(s.d);
		EXPECT(now_ns() < end);
	}
	uint64_t rip = registers(&s).rip;
	EXPECT(rip == code || rip == code + 8);
	EXPECT_IS(cassin_engine_debug_write(s.d, code, spin, sizeof spin), -EFAULT);
	while ((rip = step(w, &s)) < code + sizeof spin) { /* until its time is over, and a step is its kernel's */
		EXPECT(rip == code || rip == code + 8);
		EXPECT(now_ns() < end);
	}
	EXPECT_IS(cassin_engine_debug_read(s.d, code, bytes, sizeof bytes), sizeof bytes);
	EXPECT(memcmp(bytes, spin, sizeof bytes));
	cassin_engine_debug_detach(s.d);
	EXPECT(runs_on(w, id));
	EXPECT_IS(cassin_engine_guest_kill(w->e, id), 0);
}

#define DEBUG(what, fn)                                                                                                \
	{                                                                                                              \
		.name = "debug." what, .run = fn                                                                       \
	}

const struct test tests_debug[] = {
	DEBUG("starts-before-the-first-instruction", starts_before_the_first_instruction),
	DEBUG("steps-to-the-end", steps_to_the_end),
	DEBUG("a-breakpoint-stops-its-guest-alone", breakpoint_stops_its_guest_alone),
	DEBUG("breakpoints-are-bounded", breakpoints_are_bounded),
	DEBUG("stops-one-that-computes", stops_one_that_computes),
	DEBUG("one-that-waited-waits-on", waits_on_behind_the_stop),
	DEBUG("a-parked-one-is-unparked", parked_one_is_unparked),
	DEBUG("a-deadline-that-passes-meanwhile-wakes", sleeper_wakes_in_time),
	DEBUG("a-crash-stops-first", crash_stops_first),
	DEBUG("detaching-from-a-crash-ends-it", detaching_from_a_crash_ends_it),
	DEBUG("a-crash-can-be-repaired", crash_can_be_repaired),
	DEBUG("a-breakpoint-need-not-be-in-code", breakpoint_need_not_be_in_code),
	DEBUG("others-may-end-it", others_may_end_it),
	DEBUG("capped-ones-get-their-turns", capped_ones_get_their_turns),
	DEBUG("what-it-must-not-reach", what_it_must_not_reach),
	{.name = "debug.user-code-is-seen-as-it-is", .run = user_code_is_seen_as_it_is, .seconds = 20},
	{.name = "debug.leaves-registers-alone",
	 .run = leaves_no_trace,
	 .image = "hog",
	 .args = "registers 300",
	 .seconds = 60},
	{0},
};
