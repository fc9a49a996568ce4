/* SPDX-License-Identifier: MIT */
/* The clocks, with and without an exit, and the timers. */
#include "check.h"

static uint64_t call_time(uint64_t clock)
{
	return (uint64_t)cassin_call(CASSIN_CALL_TIME, clock, 0, 0, 0, 0);
}

static void agrees(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (int i = 0; i < 200; i++) {
		uint64_t before = cassin_now(), middle = call_time(CASSIN_CLOCK_MONOTONIC), after = cassin_now();
		CHECK(before <= middle + MS && middle <= after + MS);
		before = cassin_wall(), middle = call_time(CASSIN_CLOCK_WALL), after = cassin_wall();
		CHECK(before <= middle + 50 * MS && middle <= after + 50 * MS);
		before = cassin_virtual(), middle = call_time(CASSIN_CLOCK_VIRTUAL), after = cassin_virtual();
		CHECK(before <= middle + MS && middle <= after + MS);
		cassin_sleep_until(cassin_now() + MS);
	}
}

/* argv[1], argv[2]: the runner's wall clock in ns when it spawned this guest, and how far off it may be. */
static void wall_is_the_hosts(int argc, char **argv)
{
	CHECK(argc > 2);
	uint64_t host = (uint64_t)cassin_parse(argv[1], strlen(argv[1])), wall = cassin_wall();
	CHECK(wall >= host - 100 * MS);
	CHECK(wall <= host + (uint64_t)cassin_parse(argv[2], strlen(argv[2])));
}

/* For argv[1] ms, over moves and preemptions. */
static void never_goes_back(int argc, char **argv)
{
	uint64_t last = cassin_now(), last_virtual = cassin_virtual(), first = last;
	uint64_t until = last + (argc > 1 ? (uint64_t)cassin_parse(argv[1], strlen(argv[1])) : 100) * MS;
	while (last < until) {
		for (int i = 0; i < 1000; i++) {
			uint64_t now = cassin_now();
			CHECK(now >= last);
			last = now;
		}
		uint64_t now = cassin_virtual();
		CHECK(now >= last_virtual);
		last_virtual = now;
	}
	CHECK(last_virtual <= last - first + 1000 * MS);
}

static void virtual_time_rests(int argc, char **argv)
{
	struct cassin_info info;
	(void)argc;
	(void)argv;
	uint64_t mono, before, rest = 300 * MS;
	for (;; rest *= 2) { /* the host may keep us from falling asleep, but not for longer and longer */
		mono = cassin_now(), before = cassin_virtual();
		cassin_sleep_until(mono + rest);
		CHECK(cassin_now() - mono >= rest);
		if (cassin_virtual() - before < rest / 2)
			break;
		CHECK(rest < 4000 * MS);
	}
	before = cassin_virtual();
	mono = cassin_now();
	while (cassin_virtual() < before + 20 * MS) {
	}
	CHECK(cassin_now() - mono + MS >= 20 * MS);
	cassin_info(&info);
	CHECK(info.virtual_ns >= before + 20 * MS);
}

static void timers(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	uint64_t now, step = 30 * MS;
	for (;; step *= 2) {
		now = cassin_now();
		start_op(4, CASSIN_OP_TIMEOUT, 0, NULL, 0, now + 4 * step);
		start_op(2, CASSIN_OP_TIMEOUT, 0, NULL, 0, now + 2 * step);
		start_op(3, CASSIN_OP_TIMEOUT, 0, NULL, 0, now + 3 * step);
		start_op(1, CASSIN_OP_TIMEOUT, 0, NULL, 0, now + 1 * step);
		CHECK_IS(cassin_wait(0, CASSIN_NOW), 0);
		if (cassin_now() < now + step)
			break;
		for (int i = 0; i < 4; i++) /* others kept us from it for so long that their order means nothing */
			CHECK_IS(await_any().result, 0);
	}
	for (uint64_t i = 1; i <= 4; i++) {
		CHECK_IS(await(i), 0);
		CHECK(cassin_now() >= now + i * step);
	}
	/* The past is over at once, and zero is the past. */
	start_op(5, CASSIN_OP_TIMEOUT, 0, NULL, 0, now);
	start_op(6, CASSIN_OP_TIMEOUT, 0, NULL, 0, 0);
	CHECK_IS(await(5), 0);
	CHECK_IS(await(6), 0);
}

static void cancels(int argc, char **argv)
{
	struct cassin_cqe cqe;
	(void)argc;
	(void)argv;
	start_op(1, CASSIN_OP_TIMEOUT, 0, NULL, 0, CASSIN_FOREVER);
	start_op(2, CASSIN_OP_TIMEOUT, 0, NULL, 0, cassin_now() + 30 * MS);
	start_op(3, CASSIN_OP_CANCEL, 0, NULL, 0, 1);
	bool one = false, three = false;
	for (int i = 0; i < 2; i++) {
		cqe = await_any();
		one = one || (cqe.user_data == 1 && cqe.result == -CASSIN_ECANCELED);
		three = three || (cqe.user_data == 3 && cqe.result == 0);
	}
	CHECK(one && three);
	CHECK_IS(await(2), 0);
	start_op(4, CASSIN_OP_CANCEL, 0, NULL, 0, 1);
	CHECK_IS(await(4), -CASSIN_ENOENT);
	CHECK_IS(cassin_wait(1, cassin_now() + 50 * MS), 0);
	CHECK(!cassin_next(&cqe));
}

/* Deadlines of enter: never early, and completions come before them. */
static void deadlines(int argc, char **argv)
{
	struct cassin_cqe cqe;
	(void)argc;
	(void)argv;
	for (uint64_t ms = 0; ms < 40; ms += 5) {
		uint64_t when = cassin_now() + ms * MS;
		start_op(1, CASSIN_OP_TIMEOUT, 0, NULL, 0, CASSIN_FOREVER);
		CHECK_IS(cassin_wait(1, when), 0);
		CHECK(cassin_now() >= when);
		CHECK(!cassin_next(&cqe));
		start_op(2, CASSIN_OP_CANCEL, 0, NULL, 0, 1);
		CHECK_IS(cassin_wait(2, CASSIN_FOREVER), 0);
		CHECK(cassin_next(&cqe) && cassin_next(&cqe));
	}
	uint64_t now = cassin_now();
	start_op(3, CASSIN_OP_TIMEOUT, 0, NULL, 0, now + 20 * MS);
	CHECK_IS(cassin_wait(1, now + 3600000 * MS), 0);
	CHECK(cassin_next(&cqe));
}

/* The host's wall clock is set while this runs: wall time follows soon, monotonic time does not notice. */
static void follows_steps(int argc, char **argv)
{
	int64_t first = (int64_t)(cassin_wall() - cassin_now()), ahead;
	uint64_t before = cassin_now(), last = before;
	(void)argc;
	(void)argv;
	cassin_print("waiting\n");
	do {
		cassin_sleep_until(cassin_now() + 2 * MS);
		CHECK(cassin_now() >= last && cassin_now() - last < 1800000 * MS);
		last = cassin_now();
		ahead = (int64_t)(cassin_wall() - cassin_now()) - first;
	} while (ahead < 1800000 * (int64_t)MS);
	CHECK(ahead < 5400000 * (int64_t)MS);
	cassin_print("stepped at %lu\n", last);
}

static const struct property all[] = {
	{"agree", agrees},
	{"wall", wall_is_the_hosts},
	{"monotonic", never_goes_back},
	{"virtual", virtual_time_rests},
	{"timers", timers},
	{"cancel", cancels},
	{"deadlines", deadlines},
	{"steps", follows_steps},
};
PROPERTIES(all)
