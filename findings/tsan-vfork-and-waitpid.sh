#!/bin/sh
# SPDX-License-Identifier: MIT
# ThreadSanitizer of gcc 12.2 and of clang 14, x86-64 Linux, changes three calls that a program which traces or spawns relies on:
# - vfork(2) is made a fork(2): the parent does not wait until the child has executed another program or ended. Who counts on that
#   (PTRACE_SEIZE of the new program, descriptors that the exec closes) finds the child somewhere before its exec.
# - So is clone(2) with CLONE_VM and CLONE_VFORK, in gcc 12.2: it waits, but the sanitizer's book-keeping for a forked child is done
#   in memory that the parent shares: the next pthread_create(3) ends the process with "starting new threads after multi-threaded fork".
#   (Not shown by this script: it is the sanitizer that ends the program. clone by an instruction of one's own is not touched.)
# - A signal handler is kept back until the call in which the signal arrived has returned, for calls that the sanitizer does not
#   know as blocking. waitpid(2) is one: with SA_RESTART the kernel begins it again, so a handler that is to end the wait (by
#   PTRACE_INTERRUPT, or kill) is never run. Without SA_RESTART it runs, behind EINTR.
# The sanitizer's documentation names neither. What helps: clone by one's own instruction, and no SA_RESTART in such builds.
#
# Seen (gcc 12.2.0; clang 14.0.6 the same; Linux 6.18.44):
#   plain      vfork waits: yes   handler within waitpid, restarted: runs   not restarted: runs
#   sanitized  vfork waits: no    handler within waitpid, restarted: never  not restarted: runs
# Exit status 0 when it is so, 1 when it no longer is, 2 without gcc and its sanitizer.
set -eu
command -v gcc >/dev/null || { echo "gcc is needed" >&2; exit 2; }
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/probe.c" <<'END'
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static pid_t child;

static void on_timer(int number)
{
	int saved = errno;
	(void)number;
	kill(child, SIGKILL);
	errno = saved;
}

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int vfork_waits(void)
{
	double began = now();
	pid_t pid = vfork();
	if (!pid) {
		struct timespec half = {.tv_nsec = 500000000};
		nanosleep(&half, NULL);
		_exit(0);
	}
	double took = now() - began;
	waitpid(pid, NULL, 0);
	return took > 0.4;
}

/* A child that ends by itself after three seconds; the handler would end it after 0.1. */
static int handler_ends_the_wait(int flags)
{
	struct sigaction act = {.sa_handler = on_timer, .sa_flags = flags};
	struct itimerval soon = {.it_value = {0, 100000}};
	int status = 0;
	child = fork();
	if (!child) {
		sleep(3);
		_exit(0);
	}
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	while (waitpid(child, &status, 0) < 0)
		;
	return WIFSIGNALED(status);
}

int main(void)
{
	printf("%d %d %d\n", vfork_waits(), handler_ends_the_wait(SA_RESTART), handler_ends_the_wait(0));
	return 0;
}
END
gcc -O1 -o "$folder/plain" "$folder/probe.c"
gcc -O1 -fsanitize=thread -o "$folder/sanitized" "$folder/probe.c" || exit 2
gcc --version | head -n 1
uname -sr
plain=$("$folder/plain")
sanitized=$("$folder/sanitized")
echo "vfork waits, the handler ends a wait that is restarted, and one that is not (1: yes)"
echo "plain:     $plain"
echo "sanitized: $sanitized"
[ "$plain" = "1 1 1" ] && [ "$sanitized" = "0 0 1" ]
