/* SPDX-License-Identifier: MIT */
/*
 * spawn IMAGE PROGRAM COUNT: microseconds from the spawn request to the seen end (and removal) of a guest, and of a
 * process, COUNT of each in blocks that alternate.
 */
#include "common.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define BLOCK 50u

static double guest_us(struct bench *b, const char *image)
{
	struct cassin_guest_spec spec;
	struct cassin_error_text err;
	uint64_t id, start = bench_ns();
	bench_spec(&spec, "hello", image, NULL, 0);
	if (cassin_engine_guest_spawn(b->engine, &spec, &id, &err))
		bench_die("%s", err.text);
	bench_wait_end(b, id);
	if (cassin_engine_guest_remove(b->engine, id))
		bench_die("a guest cannot be removed");
	return (double)(bench_ns() - start) / 1e3;
}

static double process_us(char *program, posix_spawn_file_actions_t *actions)
{
	char *argv[] = {program, NULL}, *envp[] = {NULL};
	int status;
	pid_t pid;
	uint64_t start = bench_ns();
	int r = posix_spawn(&pid, program, actions, NULL, argv, envp);
	if (r)
		bench_die("%s: %s", program, strerror(r));
	if (waitpid(pid, &status, 0) != pid || status)
		bench_die("%s: wait status %d", program, status);
	return (double)(bench_ns() - start) / 1e3;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		bench_die("usage: spawn IMAGE PROGRAM COUNT");
	unsigned count = bench_number(argv[3]);
	double *guests = calloc(count, sizeof *guests), *processes = calloc(count, sizeof *processes);
	posix_spawn_file_actions_t quiet;
	struct bench b;
	if (!guests || !processes)
		bench_die("no memory");
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	bench_open(&b, 0);
	guest_us(&b, argv[1]); /* the cell and the image are made now */
	process_us(argv[2], &quiet);
	for (unsigned from = 0; from < count; from += BLOCK) {
		unsigned to = from + BLOCK < count ? from + BLOCK : count;
		for (unsigned i = from; i < to; i++)
			guests[i] = guest_us(&b, argv[1]);
		for (unsigned i = from; i < to; i++)
			processes[i] = process_us(argv[2], &quiet);
	}
	printf("{");
	bench_print("guest_us", guests, count, ", ");
	bench_print("process_us", processes, count, "}\n");
	bench_close(&b);
	posix_spawn_file_actions_destroy(&quiet);
	free(guests);
	free(processes);
	return 0;
}
