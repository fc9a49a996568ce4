/* SPDX-License-Identifier: MIT */
/*
 * The guest tests' runner. Each test runs in a process of its own with an engine of its own, so that a test that hangs
 * or brings the engine down costs one line of the result and no more.
 */
#ifndef RUNNER_H
#define RUNNER_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cassin/engine.h>

#define MS UINT64_C(1000000)
#define FAILED_STATUS 1 /* of a test's process, by fail() */
#define POOL_DEFAULT (UINT64_C(256) << 20)

struct test;

struct world {
	struct cassin_engine *e;
	struct cassin_sandbox *sandbox; /* of its threads */
	enum cassin_sandbox_mode sandbox_mode;
	const char *dir; /* where the ELF files are */
	unsigned slow;   /* factor of all time limits */
	bool verbose;
	uint64_t cell_frames; /* of an empty cell */
};

struct test {
	const char *name; /* GROUP.WHAT */
	void (*run)(struct world *w, const struct test *t);
	/* For the common kinds below. */
	const char *image; /* without ".elf" */
	const char *args;  /* separated by spaces; NULL: none */
	const char *says;  /* texts to find, separated by '|' */
	/* NULL or 0: the defaults. */
	unsigned workers;            /* 2 */
	unsigned seconds;            /* 20 */
	uint64_t pool;               /* POOL_DEFAULT */
	unsigned memory_wait_ms;     /* 10 s */
	enum cassin_backend backend; /* what CASSIN_BACKEND says, or auto */
	bool own_machine;            /* it changes the machine: only with --own-machine */
	bool heavy;                  /* it has much to do, but nothing with what runs guest code: not with --light */
	const char *(*cannot)(
		void); /* why it cannot run here, and is left out, which is said; NULL, or what it returns: it can */
};

/* The tests, by subject; each list ends with a NULL name. */
extern const struct test tests_calls[], tests_faults[], tests_memory[], tests_processor[], tests_life[],
	tests_streams[], tests_ports[], tests_debug[], tests_trace[], tests_crowd[], tests_moves[], tests_park[],
	tests_pieces[], tests_user[], tests_kernel[], tests_processes[], tests_libc[], tests_files[], tests_process[],
	tests_process_limits[], tests_process_storms[], tests_process_ends[], tests_host[], tests_want[],
	tests_errors[];

/* Common kinds: the guest ends with 0 (and its console says `says`); or crashes (and its report says so). After a
 * crash another guest must run as if nothing had been. */
void passes(struct world *w, const struct test *t);
void crashes(struct world *w, const struct test *t);
/* The guest's kernel ends it: the report names where, and its console says why (`says`). */
void panics(struct world *w, const struct test *t);

/* A property of a guest as a test of such a kind. */
#define PASS_IN(group, image_, what)                                                                                   \
	{                                                                                                              \
		.name = group "." what, .run = passes, .image = image_, .args = what                                   \
	}
#define PASS(image_, what) PASS_IN(image_, image_, what)
#define CRASH(image_, what, text)                                                                                      \
	{                                                                                                              \
		.name = image_ "." what, .run = crashes, .image = image_, .args = what, .says = text                   \
	}

/* ---- For tests of other kinds. All of them end the test with a message when something fails. ---- */

_Noreturn void fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
#define EXPECT(cond)                                                                                                   \
	do {                                                                                                           \
		if (!(cond))                                                                                           \
			fail("%s:%d: %s does not hold", __FILE_NAME__, __LINE__, #cond);                               \
	} while (0)
#define EXPECT_IS(expr, want)                                                                                          \
	do {                                                                                                           \
		long long is_ = (long long)(expr), want_ = (long long)(want);                                          \
		if (is_ != want_)                                                                                      \
			fail("%s:%d: %s is %lld, not %lld", __FILE_NAME__, __LINE__, #expr, is_, want_);               \
	} while (0)

/* A spec with this name, image and arguments (separated by spaces; NULL: none); cassin_spec_free() it. */
struct cassin_guest_spec spec_of(struct world *w, const char *name, const char *image, const char *args);
/* Spawns and frees the spec. */
uint64_t spawn_spec(struct world *w, struct cassin_guest_spec *s);
uint64_t spawn(struct world *w, const char *name, const char *image, const char *args);

struct cassin_guest_status status_of(struct world *w, uint64_t id);
/* Waits for a state or a line of the console, for ten seconds at most. */
struct cassin_guest_status await_state(struct world *w, uint64_t id, enum cassin_guest_state state);
void await_text(struct world *w, uint64_t id, const char *text);
/* What the console keeps, terminated; the next call overwrites it. */
const char *console_of(struct world *w, uint64_t id);
/* Waits for the end, whichever it is; for `patience` seconds at most. */
struct cassin_guest_status await_end(struct world *w, uint64_t id, unsigned patience);
/* Waits for the end and expects it to be this one; for `patience` seconds at most (0: ten). */
void expect_exit(struct world *w, uint64_t id, int code, unsigned patience);
void expect_crash(struct world *w, uint64_t id, const char *says);
/* Each of the texts in `says` (separated by '|') is in `text`. */
void expect_says(const char *where, const char *text, const char *says);

/* Removes all guests and expects all frames of theirs to be back. */
void expect_balance(struct world *w);
struct cassin_engine_stats stats_of(struct world *w);
/* A connected socket; -errno. */
int unix_connect(const char *path);
int tcp_connect(uint16_t port); /* of 127.0.0.1 */
/* A TCP port of 127.0.0.1 that is free now. */
uint16_t tcp_free_port(void);
uint64_t now_ns(void);
void sleep_ms(uint64_t ms);

#endif
