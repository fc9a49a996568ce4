/* SPDX-License-Identifier: MIT */
#include "common.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define GUEST_PATIENCE_MS 120000

uint64_t bench_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void bench_die(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	fputs("bench: ", stderr);
	vfprintf(stderr, format, args);
	fputc('\n', stderr);
	va_end(args);
	exit(1);
}

unsigned bench_number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	if (*end || end == text || n == 0 || n > 1000000000)
		bench_die("%s: not a number", text);
	return (unsigned)n;
}

static void changed(void *opaque)
{
	struct bench *b = opaque;
	uint64_t one = 1;
	if (write(b->event, &one, sizeof one) < 0)
		abort();
}

/* As the tools run it, unless CASSIN_BENCH_SANDBOX has another mode, by which its cost is measured. */
static enum cassin_sandbox_mode bench_sandbox(void)
{
	const char *word = getenv("CASSIN_BENCH_SANDBOX");
	enum cassin_sandbox_mode mode = cassin_sandbox_mode_default();
	if (word && cassin_sandbox_mode_parse(word, &mode))
		bench_die("CASSIN_BENCH_SANDBOX: must be on, log or off");
	return mode;
}

void bench_open(struct bench *b, unsigned workers)
{
	bench_open_parking(b, workers, 0);
}

void bench_open_parking(struct bench *b, unsigned workers, uint64_t after_ns)
{
	struct cassin_error_text err;
	struct cassin_engine_options options = {
		.workers = workers, .park_after_ns = after_ns, .notify = changed, .opaque = b};
	if (cassin_sandbox_create(&b->sandbox, bench_sandbox(), &err))
		bench_die("%s", err.text);
	options.sandbox = b->sandbox;
	if (cassin_backend_default(&options.backend, &err))
		bench_die("%s", err.text);
	b->event = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (b->event < 0)
		bench_die("eventfd: %s", strerror(errno));
	if (cassin_engine_create(&b->engine, &options, &err))
		bench_die("%s", err.text);
}

void bench_close(struct bench *b)
{
	cassin_engine_destroy(b->engine);
	cassin_sandbox_free(b->sandbox);
	close(b->event);
}

void bench_spec(struct cassin_guest_spec *s, const char *name, const char *image, char **args, size_t nargs)
{
	static char domain[] = "default";
	cassin_spec_init(s);
	s->name = (char *)(uintptr_t)name;
	s->image = (char *)(uintptr_t)image;
	s->domain = domain;
	s->args = args;
	s->nargs = nargs;
}

void bench_ended(struct bench *b, const struct cassin_guest_status *s)
{
	char *report = cassin_engine_guest_report(b->engine, s->id);
	bench_die("guest %s: %s, exit code %d\n%s", s->name, cassin_guest_state_name(s->state), s->exit_code,
		  report ? report : "");
}

void bench_wait_end(struct bench *b, uint64_t id)
{
	for (;;) {
		uint64_t events, changed_id;
		struct pollfd p = {.fd = b->event, .events = POLLIN};
		if (poll(&p, 1, GUEST_PATIENCE_MS) <= 0)
			bench_die("a guest does not end");
		if (read(b->event, &events, sizeof events) < 0 && errno != EAGAIN)
			bench_die("eventfd: %s", strerror(errno));
		bool ended = false;
		while ((changed_id = cassin_engine_changed_next(b->engine))) {
			struct cassin_guest_status s;
			if (changed_id != id || cassin_engine_guest_status(b->engine, id, &s) ||
			    s.state <= CASSIN_GUEST_RUNNING)
				continue;
			if (s.state != CASSIN_GUEST_EXITED || s.exit_code)
				bench_ended(b, &s);
			ended = true;
		}
		if (ended)
			return;
	}
}

uint64_t bench_run(struct bench *b, const char *image, char **args, size_t nargs)
{
	struct cassin_guest_spec spec;
	struct cassin_error_text err;
	uint64_t id, offset = 0, lost, number;
	char text[256];
	bench_spec(&spec, "measured", image, args, nargs);
	if (cassin_engine_guest_spawn(b->engine, &spec, &id, &err))
		bench_die("%s", err.text);
	bench_wait_end(b, id);
	long n = cassin_engine_guest_log(b->engine, id, &offset, text, sizeof text - 1, &lost);
	text[n > 0 ? n : 0] = '\0';
	if (sscanf(text, "%" SCNu64, &number) != 1)
		bench_die("a guest printed \"%s\"", text);
	cassin_engine_guest_remove(b->engine, id);
	return number;
}

void bench_print(const char *name, const double *values, size_t n, const char *behind)
{
	printf("\"%s\": [", name);
	for (size_t i = 0; i < n; i++)
		printf("%s%.6g", i ? ", " : "", values[i]);
	printf("]%s", behind);
}
