/* SPDX-License-Identifier: MIT */
/* guest-kernel: threads and what they do with each other, with streams and with the console. */
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner.h"

#define THREADS(what) PASS_IN("kernel", "kernel_threads", what)
#define SYNC(what) PASS_IN("kernel", "kernel_sync", what)
#define IO(what) PASS_IN("kernel", "kernel_io", what)
#define PREEMPT(what) PASS_IN("kernel", "kernel_preempt", what)
#define REQUESTS 100u

static void with_memory(struct world *w, const struct test *t)
{
	struct cassin_guest_spec s = spec_of(w, t->image, t->image, t->args);
	s.memory = UINT64_C(64) << 20;
	expect_exit(w, spawn_spec(w, &s), 0, t->seconds);
}

static void exits_with(struct world *w, const struct test *t)
{
	expect_exit(w, spawn(w, t->image, t->image, t->args), atoi(t->says), 0);
}

static int connect_to(struct world *w, uint64_t id)
{
	int ends[2];
	EXPECT_IS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	EXPECT_IS(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	EXPECT_IS(cassin_engine_guest_connect(w->e, id, 7, ends[1]), 0);
	return ends[0];
}

static void ask(int fd)
{
	char answer[8] = "";
	EXPECT_IS(write(fd, "question", 8), 8);
	EXPECT_IS(recv(fd, answer, sizeof answer, MSG_WAITALL), 8);
	EXPECT_IS(memcmp(answer, "question", 8), 0);
}

/* A thread for each connection; the answer and the next receive travel together. */
static void one_exit_a_request(struct world *w, const struct test *t)
{
	uint64_t id = spawn(w, "g", t->image, t->args);
	await_text(w, id, "listening");
	int fd = connect_to(w, id), idle = connect_to(w, id);
	ask(fd);
	uint64_t before = status_of(w, id).counters.hypercalls;
	for (unsigned i = 0; i < REQUESTS; i++)
		ask(fd);
	uint64_t calls = status_of(w, id).counters.hypercalls - before;
	if (calls > REQUESTS + REQUESTS / 10)
		fail("%llu hypercalls for %u requests", (unsigned long long)calls, REQUESTS);
	ask(idle);
	close(fd);
	ask(idle);
	EXPECT_IS(cassin_engine_guest_stop(w->e, id, 10000 * MS), 0);
	expect_exit(w, id, 0, 0);
	expect_says("the console", console_of(w, id), "goodbye");
	close(idle);
}

static void lines(struct world *w, const struct test *t)
{
	uint64_t id = spawn(w, "g", t->image, t->args);
	await_text(w, id, "waiting");
	static const char text[] = "a\nbc\n\nlonger than its buffer\nthe rest";
	for (size_t i = 0; text[i]; i++) {
		EXPECT_IS(cassin_engine_guest_input(w->e, id, text + i, 1), 1);
		if (i % 5 == 0)
			sleep_ms(3);
	}
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "", 0), 0);
	expect_exit(w, id, 0, 0);
	expect_says("the console", console_of(w, id), t->says);
}

static void stop_at_end(struct world *w, const struct test *t)
{
	uint64_t id = spawn(w, "g", t->image, t->args);
	await_text(w, id, "waiting");
	EXPECT_IS(cassin_engine_guest_input(w->e, id, "a line\n", 7), 7);
	sleep_ms(20);
	EXPECT_IS(status_of(w, id).state, CASSIN_GUEST_RUNNING);
	EXPECT_IS(cassin_engine_guest_stop(w->e, id, 10000 * MS), 0);
	expect_exit(w, id, 0, 0);
	expect_says("the console", console_of(w, id), t->says);
}

const struct test tests_kernel[] = {
	THREADS("registers"),
	THREADS("control-words"),
	THREADS("alignment"),
	THREADS("no-exits"),
	THREADS("priorities"),
	THREADS("changed-priority"),
	THREADS("preempt"),
	THREADS("preempt-inside"),
	THREADS("joins"),
	THREADS("come-and-go"),
	THREADS("thread-local"),
	{.name = "kernel.sleepers", .run = with_memory, .image = "kernel_time", .args = "sleepers", .seconds = 20},
	{.name = "kernel.timers", .run = passes, .image = "kernel_time", .args = "timers"},
	THREADS("heap-exhaustion"),
	{.name = "kernel.main-ends-first",
	 .run = exits_with,
	 .image = "kernel_threads",
	 .args = "main-ends-first",
	 .says = "0"},
	{.name = "kernel.overflow",
	 .run = crashes,
	 .image = "kernel_threads",
	 .args = "overflow",
	 .says = "page fault: write to|a thread's stack has overflowed|recurse_in_thread|cassin_thread_begin"},
	{.name = "kernel.overflow-used",
	 .run = crashes,
	 .image = "kernel_threads",
	 .args = "overflow-used",
	 .says = "page fault: write to|a thread's stack has overflowed|recurse_in_thread"},
	{.name = "kernel.timer-that-blocks",
	 .run = panics,
	 .image = "kernel_time",
	 .args = "timer-that-blocks",
	 .says = "panic in thread main: a timer's function must not block"},
	SYNC("mutex"),
	SYNC("mutex-errors"),
	SYNC("mutex-inheritance"),
	SYNC("mutex-disinheritance"),
	{.name = "kernel.mutex-kept",
	 .run = panics,
	 .image = "kernel_sync",
	 .args = "mutex-kept",
	 .says = "panic in thread thread: thread thread ended with a mutex locked"},
	SYNC("condition"),
	SYNC("signal"),
	SYNC("semaphore"),
	SYNC("event"),
	SYNC("once"),
	SYNC("queue"),
	SYNC("closed-queue"),
	{.name = "kernel.deadlock",
	 .run = panics,
	 .image = "kernel_sync",
	 .args = "deadlock",
	 .says = "deadlock: no thread can ever run again|main            priority 16, blocked, waits for a mutex that "
		 "second "
		 "holds|second          priority 16, blocked, waits for a mutex that main holds"},
	{.name = "kernel.lonely-deadlock",
	 .run = panics,
	 .image = "kernel_sync",
	 .args = "lonely-deadlock",
	 .says = "deadlock|waits for a semaphore"},
	{.name = "kernel.panic",
	 .run = panics,
	 .image = "kernel_sync",
	 .args = "panic",
	 .says = "panic in thread worrier: the answer is 42|backtrace:|#0 0x4|#1 0x4|threads:|worrier         priority "
		 "16, "
		 "running|main            priority 16, blocked, waits for a thread to end"},
	{.name = "kernel.stop", .run = exits_with, .image = "kernel_sync", .args = "stop", .says = "5"},
	{.name = "kernel.log",
	 .run = passes,
	 .image = "kernel_sync",
	 .args = "log",
	 .says = "Z info clerk: number 7\n|Z debug clerk: shown\n|Z error clerk: 0000000|0\nbehind"},
	PREEMPT("preempt-turns"),
	PREEMPT("preempt-registers"),
	PREEMPT("preempt-base"),
	PREEMPT("preempt-heap"),
	PREEMPT("preempt-mutex"),
	PREEMPT("preempt-sleeper"),
	PREEMPT("preempt-alone"),
	PREEMPT("preempt-off"),
	IO("two-sockets"),
	IO("receive-deadline"),
	IO("close-wakes"),
	IO("bad-connects"),
	IO("large-sends"),
	IO("peer-does-not-read"),
	IO("many"),
	IO("more-than-the-ring"),
	{.name = "kernel.one-exit-a-request", .run = one_exit_a_request, .image = "kernel_io", .args = "service"},
	{.name = "kernel.lines",
	 .run = lines,
	 .image = "kernel_io",
	 .args = "lines",
	 .says = "2<a\n>3<bc\n>1<\n>8<longer t>8<han its >7<buffer\n>8<the rest>the end"},
	{.name = "kernel.stop-at-end",
	 .run = stop_at_end,
	 .image = "kernel_io",
	 .args = "stop-at-end",
	 .says = "kept a line\n"},
	{0},
};
