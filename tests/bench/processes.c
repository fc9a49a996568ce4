/* SPDX-License-Identifier: MIT */
/*
 * processes PROGRAM COUNT AT_ONCE: starts COUNT processes and awaits their ends, so many at a time. Prints the seconds
 * that it took.
 */
#include "common.h"

#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static void start(char *program, posix_spawn_file_actions_t *actions)
{
	char *argv[] = {program, NULL}, *envp[] = {NULL};
	pid_t pid;
	int r = posix_spawn(&pid, program, actions, NULL, argv, envp);
	if (r)
		bench_die("%s: %s", program, strerror(r));
}

int main(int argc, char **argv)
{
	if (argc != 4)
		bench_die("usage: processes PROGRAM COUNT AT_ONCE");
	unsigned count = bench_number(argv[2]), at_once = bench_number(argv[3]), started = 0;
	posix_spawn_file_actions_t quiet;
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	uint64_t begun = bench_ns();
	for (unsigned ended = 0; ended < count; ended++) {
		int status;
		for (; started < count && started - ended < at_once; started++)
			start(argv[1], &quiet);
		if (wait(&status) < 0 || status)
			bench_die("%s: wait status %d", argv[1], status);
	}
	printf("{\"seconds\": %.6f}\n", (double)(bench_ns() - begun) / 1e9);
	posix_spawn_file_actions_destroy(&quiet);
	return 0;
}
