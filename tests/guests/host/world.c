/* SPDX-License-Identifier: MIT */
/* What tests do with guests. */
#include <stdarg.h>
#include <time.h>
#include <unistd.h>

#include "runner.h"

#define KEPT (16u << 10)
#define PATIENCE_S 30u
#define POLL_MS 2u

/* As TAP's comments. */
static void print_lines(char *text)
{
	for (char *line = text, *next; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = 0;
		if (*line)
			printf("# %s\n", line);
	}
}

void fail(const char *format, ...)
{
	char text[2048];
	va_list args;
	va_start(args, format);
	vsnprintf(text, sizeof text, format, args);
	va_end(args);
	print_lines(text);
	fflush(stdout);
	_exit(FAILED_STATUS);
}

uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void sleep_ms(uint64_t ms)
{
	struct timespec t = {.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000 * MS)};
	nanosleep(&t, NULL);
}

static char *copy(const char *format, const char *a, const char *b)
{
	char *out;
	if (asprintf(&out, format, a, b) < 0)
		fail("no memory");
	return out;
}

static void add_args(struct cassin_guest_spec *s, const char *args)
{
	char *text = copy("%s%s", args, ""), *rest = text, *word;
	s->args = calloc(CASSIN_ARGS_MAX, sizeof *s->args);
	if (!s->args)
		fail("no memory");
	while ((word = strsep(&rest, " ")))
		s->args[s->nargs++] = copy("%s%s", word, "");
	free(text);
}

struct cassin_guest_spec spec_of(struct world *w, const char *name, const char *image, const char *args)
{
	struct cassin_guest_spec s;
	char *path = copy("%s/%s.elf", w->dir, image);
	cassin_spec_init(&s);
	free(s.name);
	free(s.image);
	s.name = copy("%s%s", name, "");
	s.image = path;
	if (!s.domain)
		s.domain = copy("%s%s", "default", "");
	if (args)
		add_args(&s, args);
	return s;
}

uint64_t spawn_spec(struct world *w, struct cassin_guest_spec *s)
{
	struct cassin_error_text err = {0};
	uint64_t id = 0;
	int r = cassin_engine_guest_spawn(w->e, s, &id, &err);
	if (r)
		fail("spawn of %s: %s (%s)", s->name, err.text, strerror(-r));
	cassin_spec_free(s);
	return id;
}

uint64_t spawn(struct world *w, const char *name, const char *image, const char *args)
{
	struct cassin_guest_spec s = spec_of(w, name, image, args);
	return spawn_spec(w, &s);
}

struct cassin_guest_status status_of(struct world *w, uint64_t id)
{
	struct cassin_guest_status s;
	int r = cassin_engine_guest_status(w->e, id, &s);
	if (r)
		fail("status of guest %llu: %s", (unsigned long long)id, strerror(-r));
	return s;
}

const char *console_of(struct world *w, uint64_t id)
{
	static char text[KEPT + 1];
	uint64_t offset = 0, lost = 0;
	long n = cassin_engine_guest_log(w->e, id, &offset, text, KEPT, &lost);
	if (n < 0)
		fail("log of guest %llu: %s", (unsigned long long)id, strerror((int)-n));
	text[n] = 0;
	return text;
}

static bool over(const struct cassin_guest_status *s)
{
	return s->state == CASSIN_GUEST_EXITED || s->state == CASSIN_GUEST_CRASHED || s->state == CASSIN_GUEST_KILLED;
}

static void show(struct world *w, uint64_t id, const char *why)
{
	struct cassin_guest_status s = status_of(w, id);
	char *report = cassin_engine_guest_report(w->e, id);
	const char *text = console_of(w, id);
	size_t len = strlen(text);
	fail("guest %s %s: it is %s, exit code %d, and said:\n%s\n%s", s.name, why, cassin_guest_state_name(s.state),
	     s.exit_code, len > 600 ? text + len - 600 : text, report ? report : "");
}

struct cassin_guest_status await_state(struct world *w, uint64_t id, enum cassin_guest_state state)
{
	uint64_t end = now_ns() + PATIENCE_S * w->slow * 1000 * MS;
	struct cassin_guest_status s = status_of(w, id);
	while (s.state != state && now_ns() < end) {
		if (over(&s) && !(state == CASSIN_GUEST_RUNNING && s.restarts))
			break;
		sleep_ms(POLL_MS);
		s = status_of(w, id);
	}
	if (s.state != state)
		show(w, id, cassin_guest_state_name(state));
	return s;
}

void await_text(struct world *w, uint64_t id, const char *text)
{
	uint64_t end = now_ns() + PATIENCE_S * w->slow * 1000 * MS;
	while (!strstr(console_of(w, id), text)) {
		if (now_ns() > end)
			show(w, id, text);
		sleep_ms(POLL_MS);
	}
}

struct cassin_guest_status await_end(struct world *w, uint64_t id, unsigned patience)
{
	uint64_t end = now_ns() + patience * w->slow * 1000 * MS;
	struct cassin_guest_status s = status_of(w, id);
	while (!over(&s)) {
		if (now_ns() > end)
			show(w, id, "did not end");
		sleep_ms(POLL_MS);
		s = status_of(w, id);
	}
	return s;
}

void expect_exit(struct world *w, uint64_t id, int code, unsigned patience)
{
	struct cassin_guest_status s = await_end(w, id, patience ? patience : PATIENCE_S);
	if (s.state != CASSIN_GUEST_EXITED || s.exit_code != code)
		show(w, id, "did not end as it should");
}

void expect_says(const char *where, const char *text, const char *says)
{
	char *all = copy("%s%s", says, ""), *rest = all, *part;
	while ((part = strsep(&rest, "|"))) {
		if (!strstr(text, part))
			fail("%s does not say \"%s\":\n%s", where, part, text);
	}
	free(all);
}

void expect_crash(struct world *w, uint64_t id, const char *says)
{
	struct cassin_guest_status s = await_end(w, id, PATIENCE_S);
	if (s.state != CASSIN_GUEST_CRASHED)
		show(w, id, "did not crash");
	EXPECT_IS(s.exit_code, 134);
	char *report = cassin_engine_guest_report(w->e, id);
	EXPECT(report);
	expect_says("the report", report, "rsp|rflags|backtrace");
	if (says)
		expect_says("the report", report, says);
	if (w->verbose)
		print_lines(report);
	free(report);
}

struct cassin_engine_stats stats_of(struct world *w)
{
	struct cassin_engine_stats s;
	cassin_engine_stats(w->e, &s);
	return s;
}

void expect_balance(struct world *w)
{
	uint64_t *ids;
	int n = cassin_engine_guest_list(w->e, &ids);
	EXPECT(n >= 0);
	for (int i = 0; i < n; i++)
		EXPECT_IS(cassin_engine_guest_remove(w->e, ids[i]), 0);
	free(ids);
	struct cassin_engine_stats s = stats_of(w);
	EXPECT_IS(s.guests, 0);
	EXPECT_IS(s.running, 0);
	uint64_t held = s.used_frames - s.quarantined_frames - s.image_frames;
	if (w->cell_frames)
		EXPECT_IS(held, w->cell_frames * s.cells);
	else
		w->cell_frames = held / (s.cells ? s.cells : 1);
}

void passes(struct world *w, const struct test *t)
{
	uint64_t id = spawn(w, t->image, t->image, t->args);
	expect_exit(w, id, 0, t->seconds ? t->seconds : PATIENCE_S);
	if (t->says)
		expect_says("the console", console_of(w, id), t->says);
}

void crashes(struct world *w, const struct test *t)
{
	uint64_t near = spawn(w, "near", "memory", "copy-on-write 50");
	uint64_t id = spawn(w, t->image, t->image, t->args);
	expect_crash(w, id, t->says);
	expect_exit(w, near, 0, 0);
	expect_exit(w, spawn(w, "after", "memory", "zero 64"), 0, 0);
	EXPECT_IS(stats_of(w).crashes, 1);
}

void panics(struct world *w, const struct test *t)
{
	uint64_t id = spawn(w, t->image, t->image, t->args);
	expect_crash(w, id, "invalid opcode|cassin_panic");
	expect_says("the console", console_of(w, id), t->says);
}
