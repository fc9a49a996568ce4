/* SPDX-License-Identifier: MIT */
/*
 * hogs HOG ECHO PORT ROUNDS SECONDS: 32 guests that compute for ever, with weights of 100 to 800, and an echo guest at
 * PORT, on two workers. First the echo guest alone is measured, then in each round:
 *
 * share_error      the largest relative error of a hog's share of the CPU over SECONDS, while nobody talks
 * waited           how long a worker waited for a CPU meanwhile, as a share of the time
 * p50_us, p99_us   latencies of the echo guest, of those messages that other programs did not disturb
 * p50_all_us, p99_all_us   of all messages
 * quiet            share of the undisturbed ones
 */
#include "common.h"

#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "waits.h"

#define HOGS 32u
#define WEIGHTS 8u
#define WORKERS 2
#define WARM_US 1000000
#define MESSAGES 2000u
#define MESSAGE 64u
#define DISTURBED_NS 250000u /* that our threads waited for a CPU during a message */
#define PAUSE_US 1500u       /* between two messages: so much, and up to as much again */

static struct {
	uint64_t ids[HOGS], virtual_ns[HOGS];
	uint64_t all[MESSAGES], quiet[MESSAGES]; /* latencies: quiet ones are undisturbed */
	unsigned n_quiet;
	struct waits waits;
} state;

enum figure { ERROR, WAITED, P50, P99, P50_ALL, P99_ALL, QUIET, FIGURES };
static const char *const names[FIGURES] = {"share_error", "waited",     "p50_us", "p99_us",
					   "p50_all_us",  "p99_all_us", "quiet"};

static uint64_t spawn(struct bench *b, const char *name, const char *image, unsigned weight,
		      struct cassin_guest_port *port)
{
	struct cassin_guest_spec spec;
	struct cassin_error_text err;
	uint64_t id;
	bench_spec(&spec, name, image, NULL, 0);
	spec.weight = weight;
	spec.ports = port;
	spec.nports = port ? 1 : 0;
	if (cassin_engine_guest_spawn(b->engine, &spec, &id, &err))
		bench_die("%s", err.text);
	return id;
}

static unsigned weight_of(unsigned hog)
{
	return (hog % WEIGHTS + 1) * 100;
}

static uint64_t virtual_ns(struct bench *b, uint64_t id)
{
	struct cassin_guest_status s;
	if (cassin_engine_guest_status(b->engine, id, &s))
		bench_die("a hog is gone");
	if (s.state > CASSIN_GUEST_RUNNING)
		bench_ended(b, &s);
	return s.counters.virtual_ns;
}

/* |share / share by weight - 1| of the hog that is farthest off. */
static double share_error(struct bench *b, unsigned seconds)
{
	double ran[HOGS], all = 0, weights = 0, worst = 0;
	for (unsigned i = 0; i < HOGS; i++)
		state.virtual_ns[i] = virtual_ns(b, state.ids[i]);
	usleep(seconds * 1000000);
	for (unsigned i = 0; i < HOGS; i++) {
		ran[i] = (double)(virtual_ns(b, state.ids[i]) - state.virtual_ns[i]);
		all += ran[i];
		weights += weight_of(i);
	}
	for (unsigned i = 0; i < HOGS; i++)
		worst = fmax(worst, fabs(ran[i] / all / (weight_of(i) / weights) - 1));
	return worst;
}

static int connected(uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at))
		bench_die("port %u: %s", port, strerror(errno));
	return fd;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* Sends short messages, one after the other with irregular pauses, and sorts the times to their echoes. */
static void talk(uint16_t port)
{
	char sent[MESSAGE], got[MESSAGE];
	int fd = connected(port);
	memset(sent, 'e', sizeof sent);
	state.n_quiet = 0;
	for (unsigned i = 0; i < MESSAGES; i++) {
		usleep(PAUSE_US + (unsigned)random() % PAUSE_US);
		uint64_t waited = waits_ns(&state.waits), start = bench_ns();
		if (send(fd, sent, sizeof sent, MSG_NOSIGNAL) != sizeof sent ||
		    recv(fd, got, sizeof got, MSG_WAITALL) != sizeof got || memcmp(sent, got, sizeof got) != 0)
			bench_die("no echo");
		state.all[i] = bench_ns() - start;
		if (waits_ns(&state.waits) - waited < DISTURBED_NS)
			state.quiet[state.n_quiet++] = state.all[i];
	}
	close(fd);
	qsort(state.all, MESSAGES, sizeof *state.all, compare);
	qsort(state.quiet, state.n_quiet, sizeof *state.quiet, compare);
}

static double latency_us(const uint64_t *latencies, unsigned n, double share)
{
	return n ? (double)latencies[(unsigned)(share * (n - 1))] / 1e3 : 0;
}

static void measure(struct bench *b, uint16_t port, unsigned seconds, double *figures[FIGURES], unsigned round)
{
	uint64_t waited = waits_ns(&state.waits);
	figures[ERROR][round] = share_error(b, seconds);
	figures[WAITED][round] = (double)(waits_ns(&state.waits) - waited) / 1e9 / seconds / WORKERS;
	talk(port);
	figures[P50][round] = latency_us(state.quiet, state.n_quiet, 0.5);
	figures[P99][round] = latency_us(state.quiet, state.n_quiet, 0.99);
	figures[P50_ALL][round] = latency_us(state.all, MESSAGES, 0.5);
	figures[P99_ALL][round] = latency_us(state.all, MESSAGES, 0.99);
	figures[QUIET][round] = (double)state.n_quiet / MESSAGES;
}

int main(int argc, char **argv)
{
	if (argc != 6)
		bench_die("usage: hogs HOG ECHO PORT ROUNDS SECONDS");
	unsigned port = bench_number(argv[3]), rounds = bench_number(argv[4]), seconds = bench_number(argv[5]);
	struct cassin_guest_port at = {.guest = 7};
	double *figures[FIGURES];
	struct bench b;
	for (enum figure f = 0; f < FIGURES; f++) {
		figures[f] = calloc(rounds, sizeof(double));
		if (!figures[f])
			bench_die("no memory");
	}
	bench_open(&b, WORKERS);
	snprintf(at.host, sizeof at.host, "tcp:127.0.0.1:%u", port);
	spawn(&b, "echo", argv[2], CASSIN_WEIGHT_DEFAULT, &at);
	waits_open(&state.waits);
	talk((uint16_t)port);
	double alone[] = {latency_us(state.quiet, state.n_quiet, 0.5), latency_us(state.quiet, state.n_quiet, 0.99)};
	for (unsigned i = 0; i < HOGS; i++) {
		char name[32];
		snprintf(name, sizeof name, "hog-%u", i);
		state.ids[i] = spawn(&b, name, argv[1], weight_of(i), NULL);
	}
	usleep(WARM_US);
	for (unsigned r = 0; r < rounds; r++)
		measure(&b, (uint16_t)port, seconds, figures, r);
	printf("{");
	for (enum figure f = 0; f < FIGURES; f++) {
		bench_print(names[f], figures[f], rounds, ", ");
		free(figures[f]);
	}
	printf("\"alone_p50_us\": %.1f, \"alone_p99_us\": %.1f}\n", alone[0], alone[1]);
	waits_close(&state.waits);
	bench_close(&b);
	return 0;
}
