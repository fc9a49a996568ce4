/* SPDX-License-Identifier: MIT */
/*
 * storms STORM-IMAGE TICKER-IMAGE ROUNDS: guests that ask for as much work as they can, on one worker. For each kind of storm the part
 * of a CPU that the process takes while the guest has a cap of 1 %; and how late the latest tick of a neighbour that wakes each 10 ms
 * is, in slices, beside one without a cap. Beside "spin", a guest that only computes, for comparison.
 */
#include "common.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define SLICE_US 1000.0
#define SETTLE_US 500000
#define SECONDS 2
#define LOOKS 10

static char *const kinds[] = {"spin", "random", "console", "listen", "cancel", "sends"};
#define KINDS (sizeof kinds / sizeof *kinds)

/* ---- A socket of the host that reads all it gets ---- */

static struct sockaddr_un sink_address = {.sun_family = AF_UNIX};
static int sink_listener;

/* What the sink has used of a CPU, for it is not the engine's. */
static _Atomic uint64_t sink_ns;

static uint64_t cpu_ns(int who)
{
	struct rusage u;
	getrusage(who, &u);
	return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000000u +
	       (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000u;
}

static void *sink(void *unused)
{
	static char bytes[1 << 20];
	(void)unused;
	for (int fd; (fd = accept(sink_listener, NULL, NULL)) >= 0; close(fd)) {
		while (read(fd, bytes, sizeof bytes) > 0)
			sink_ns = cpu_ns(RUSAGE_THREAD);
	}
	return NULL;
}

static void sink_open(void)
{
	pthread_t thread;
	snprintf(sink_address.sun_path, sizeof sink_address.sun_path, "/tmp/bench-storms-%d", (int)getpid());
	sink_listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sink_listener < 0 || bind(sink_listener, (struct sockaddr *)&sink_address, sizeof sink_address) ||
	    listen(sink_listener, 8) || pthread_create(&thread, NULL, sink, NULL))
		bench_die("no sink for sends");
	pthread_detach(thread);
}

/* ---- Storms ---- */

static uint64_t storm_begin(struct bench *b, char *image, char *kind, bool capped)
{
	char listeners[] = "16300";
	struct cassin_guest_connect connect = {.name = "sink"};
	char *args[] = {kind, listeners};
	struct cassin_guest_spec spec;
	struct cassin_error_text err;
	struct cassin_guest_status s;
	uint64_t id;
	snprintf(connect.target, sizeof connect.target, "unix:%s", sink_address.sun_path);
	bench_spec(&spec, "storm", image, args, 2);
	spec.memory = 32u << 20;
	spec.streams = CASSIN_STREAMS_MAX;
	spec.connects = &connect;
	spec.nconnects = 1;
	if (capped) {
		spec.cpu_quota_us = 1000;
		spec.cpu_period_us = 100000;
	}
	if (cassin_engine_guest_spawn(b->engine, &spec, &id, &err))
		bench_die("%s", err.text);
	do {
		usleep(SETTLE_US);
		if (cassin_engine_guest_status(b->engine, id, &s) || s.state != CASSIN_GUEST_RUNNING)
			bench_die("the storm \"%s\" has ended", kind);
	} while (!s.ready && !capped);
	return id;
}

static double capped_share(struct bench *b, char *image, char *kind)
{
	uint64_t id = storm_begin(b, image, kind, true), from = bench_ns();
	uint64_t used = cpu_ns(RUSAGE_SELF) - sink_ns;
	sleep(SECONDS);
	used = cpu_ns(RUSAGE_SELF) - sink_ns - used;
	double share = (double)used / (double)(bench_ns() - from);
	cassin_engine_guest_remove(b->engine, id);
	return share;
}

/* What a storm causes it causes in each of several looks; what the host's other work causes is not in all of them. */
static double gap_slices(struct bench *b, char *storm, char *ticker, char *kind)
{
	char ticks[] = "20";
	char *args[] = {ticks};
	uint64_t id = storm_begin(b, storm, kind, false);
	double least = 0;
	for (unsigned i = 0; i < LOOKS; i++) {
		double gap = (double)bench_run(b, ticker, args, 1) / SLICE_US;
		least = !i || gap < least ? gap : least;
	}
	cassin_engine_guest_remove(b->engine, id);
	return least;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		bench_die("usage: storms STORM-IMAGE TICKER-IMAGE ROUNDS");
	unsigned rounds = bench_number(argv[3]);
	double *share = calloc(rounds, sizeof *share), *gap = calloc(rounds, sizeof *gap);
	struct bench b;
	if (!share || !gap)
		bench_die("no memory");
	sink_open();
	bench_open(&b, 1);
	printf("{");
	for (size_t k = 0; k < KINDS; k++) {
		char name[32];
		for (unsigned r = 0; r < rounds; r++) {
			share[r] = capped_share(&b, argv[1], kinds[k]);
			gap[r] = gap_slices(&b, argv[1], argv[2], kinds[k]);
		}
		snprintf(name, sizeof name, "share_%s", kinds[k]);
		bench_print(name, share, rounds, ", ");
		snprintf(name, sizeof name, "gap_%s", kinds[k]);
		bench_print(name, gap, rounds, k + 1 < KINDS ? ", " : "}\n");
	}
	bench_close(&b);
	unlink(sink_address.sun_path);
	free(share);
	free(gap);
	return 0;
}
