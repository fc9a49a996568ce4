/* SPDX-License-Identifier: MIT */
/* What the measuring programs share. They print one JSON object; a failure ends them with a line on stderr. */
#ifndef BENCH_COMMON_H
#define BENCH_COMMON_H

#include <stddef.h>
#include <stdint.h>

#include <cassin/engine.h>

/* An engine of which one thread waits for changes without polling. */
struct bench {
	struct cassin_engine *engine;
	struct cassin_sandbox *sandbox;
	int event; /* eventfd: a guest's state changed */
};

uint64_t bench_ns(void); /* CLOCK_MONOTONIC */
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A positive decimal number. */
unsigned bench_number(const char *text);

void bench_open(struct bench *b, unsigned workers);
void bench_open_parking(struct bench *b, unsigned workers, uint64_t after_ns); /* guests that wait for so long */
void bench_close(struct bench *b);
/* Fills in a spec that owns nothing: the strings and args must outlive it. */
void bench_spec(struct cassin_guest_spec *s, const char *name, const char *image, char **args, size_t nargs);
/* Blocks until the guest has ended, and checks that it did so by itself with code 0. */
void bench_wait_end(struct bench *b, uint64_t id);
/* Says how a guest ended that should not have, and ends. */
_Noreturn void bench_ended(struct bench *b, const struct cassin_guest_status *s);
/* Runs a guest to its end and returns the number that it printed. */
uint64_t bench_run(struct bench *b, const char *image, char **args, size_t nargs);

/* Prints `"name": [...]`, with a comma behind unless it is the last. */
void bench_print(const char *name, const double *values, size_t n, const char *behind);

#endif
