/* SPDX-License-Identifier: MIT */
/*
 * clone IMAGE PROGRAM PORT COUNT: microseconds from the spawn of a service to its whole answer to a first request, as a
 * clone of a template and as a process, COUNT of each in blocks that alternate. The clone is then parked and asked once more:
 * microseconds from this request to its whole answer. Each has a port of its own, of the 2 * COUNT from PORT on: to bind one
 * that has had connections takes the longer the more there were.
 */
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BLOCK 50u
#define RETRY_NS 10000
#define PATIENCE_NS UINT64_C(10000000000)

static char template_name[] = "service";

/* A connection to the port, tried again for as long as nobody listens there: without taking the CPU from who will. */
static int connected(unsigned port)
{
	struct sockaddr_in at = {
		.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct timespec retry = {.tv_nsec = RETRY_NS};
	uint64_t start = bench_ns();
	for (;;) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd < 0)
			bench_die("socket: %s", strerror(errno));
		if (connect(fd, (struct sockaddr *)&at, sizeof at) == 0)
			return fd;
		if (errno != ECONNREFUSED || bench_ns() - start > PATIENCE_NS)
			bench_die("port %u: %s", port, strerror(errno));
		close(fd);
		nanosleep(&retry, NULL);
	}
}

static void ask(unsigned port)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n";
	char answer[8192];
	size_t got = 0;
	ssize_t n;
	int fd = connected(port);
	if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) != (ssize_t)(sizeof request - 1))
		bench_die("port %u: %s", port, strerror(errno));
	while ((n = recv(fd, answer + got, sizeof answer - 1 - got, 0)) > 0)
		got += (size_t)n;
	answer[got] = '\0';
	close(fd);
	if (n < 0 || strncmp(answer, "HTTP/1.1 200 ", 13) != 0 || !strstr(answer, "</html>"))
		bench_die("port %u: a bad answer", port);
}

static void make_template(struct bench *b, const char *image)
{
	struct cassin_guest_spec spec;
	struct cassin_error_text err;
	bench_spec(&spec, template_name, image, NULL, 0);
	if (cassin_engine_template_create(b->engine, &spec, PATIENCE_NS, NULL, &err))
		bench_die("%s", err.text);
}

/* Microseconds of one request, from the beginning on. */
static double asked_us(unsigned port, uint64_t start)
{
	ask(port);
	return (double)(bench_ns() - start) / 1e3;
}

/* It has answered; soon it waits. */
static void park(struct bench *b, uint64_t id)
{
	struct timespec retry = {.tv_nsec = RETRY_NS};
	uint64_t start = bench_ns();
	int r;
	while ((r = cassin_engine_guest_park(b->engine, id)) == -EBUSY && bench_ns() - start < PATIENCE_NS)
		nanosleep(&retry, NULL);
	if (r)
		bench_die("a clone cannot be parked: %s", strerror(-r));
}

struct clone_times {
	double clone_us, wake_us;
};

static struct clone_times clone_times(struct bench *b, unsigned port)
{
	struct cassin_guest_port at = {.guest = 80};
	struct cassin_guest_spec spec;
	struct cassin_error_text err;
	struct clone_times t;
	uint64_t id;
	snprintf(at.host, sizeof at.host, "tcp:127.0.0.1:%u", port);
	bench_spec(&spec, "clone", NULL, NULL, 0);
	spec.from_template = template_name;
	spec.ports = &at;
	spec.nports = 1;
	uint64_t start = bench_ns();
	if (cassin_engine_guest_spawn(b->engine, &spec, &id, &err))
		bench_die("%s", err.text);
	t.clone_us = asked_us(port, start);
	park(b, id);
	t.wake_us = asked_us(port, bench_ns());
	if (cassin_engine_guest_remove(b->engine, id))
		bench_die("a clone cannot be removed");
	return t;
}

static double process_us(char *program, posix_spawn_file_actions_t *actions, unsigned port)
{
	char option[] = "--port", number[16], *argv[] = {program, option, number, NULL}, *envp[] = {NULL};
	pid_t pid;
	snprintf(number, sizeof number, "%u", port);
	uint64_t start = bench_ns();
	int r = posix_spawn(&pid, program, actions, NULL, argv, envp);
	if (r)
		bench_die("%s: %s", program, strerror(r));
	double us = asked_us(port, start);
	if (kill(pid, SIGKILL) || waitpid(pid, NULL, 0) != pid)
		bench_die("%s: %s", program, strerror(errno));
	return us;
}

int main(int argc, char **argv)
{
	if (argc != 5)
		bench_die("usage: clone IMAGE PROGRAM PORT COUNT");
	unsigned port = bench_number(argv[3]), count = bench_number(argv[4]);
	double *clones = calloc(count, sizeof *clones), *wakes = calloc(count, sizeof *wakes),
	       *processes = calloc(count, sizeof *processes);
	posix_spawn_file_actions_t quiet;
	struct bench b;
	if (!clones || !wakes || !processes)
		bench_die("no memory");
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	prctl(PR_SET_TIMERSLACK, 1);
	bench_open(&b, 0);
	make_template(&b, argv[1]);
	clone_times(&b, port);
	process_us(argv[2], &quiet, port + count);
	for (unsigned from = 0; from < count; from += BLOCK) {
		unsigned to = from + BLOCK < count ? from + BLOCK : count;
		for (unsigned i = from; i < to; i++) {
			struct clone_times t = clone_times(&b, port + i);
			clones[i] = t.clone_us;
			wakes[i] = t.wake_us;
		}
		for (unsigned i = from; i < to; i++)
			processes[i] = process_us(argv[2], &quiet, port + count + i);
	}
	printf("{");
	bench_print("clone_us", clones, count, ", ");
	bench_print("wake_us", wakes, count, ", ");
	bench_print("process_us", processes, count, "}\n");
	bench_close(&b);
	posix_spawn_file_actions_destroy(&quiet);
	free(clones);
	free(wakes);
	free(processes);
	return 0;
}
