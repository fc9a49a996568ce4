/* SPDX-License-Identifier: MIT */
/*
 * neighbour IMAGE WORKERS ROUNDS: how fast a guest touches 8 MiB beside one that computes, that protects pages back and forth,
 * and that makes and destroys spaces, in turn. Prints the rounds of touching in a second of the guest's virtual time.
 */
#include "common.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WARM_US 200000

enum beside { SPIN, PROTECT, SPACES, NEIGHBOURS };

static char *const modes[NEIGHBOURS] = {"spin", "protect", "spaces"};

static double speed_beside(struct bench *b, const char *image, char *mode)
{
	char pages[] = "256", touch[] = "touch", touched[] = "2048", ms[] = "400";
	char *args[] = {mode, pages}, *victim[] = {touch, touched, ms};
	struct cassin_guest_spec spec;
	struct cassin_error_text err;
	uint64_t id;
	bench_spec(&spec, "neighbour", image, args, 2);
	if (cassin_engine_guest_spawn(b->engine, &spec, &id, &err))
		bench_die("%s", err.text);
	usleep(WARM_US);
	uint64_t speed = bench_run(b, image, victim, 3);
	struct cassin_guest_status s;
	if (cassin_engine_guest_status(b->engine, id, &s) || s.state != CASSIN_GUEST_RUNNING)
		bench_die("the neighbour that does \"%s\" has ended", mode);
	cassin_engine_guest_remove(b->engine, id);
	return (double)speed;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		bench_die("usage: neighbour IMAGE WORKERS ROUNDS");
	unsigned rounds = bench_number(argv[3]);
	double *speeds[NEIGHBOURS];
	struct bench b;
	bench_open(&b, bench_number(argv[2]));
	for (unsigned i = 0; i < NEIGHBOURS; i++) {
		speeds[i] = calloc(rounds, sizeof(double));
		if (!speeds[i])
			bench_die("no memory");
	}
	for (unsigned r = 0; r < rounds; r++)
		for (unsigned i = 0; i < NEIGHBOURS; i++)
			speeds[i][r] = speed_beside(&b, argv[1], modes[i]);
	printf("{");
	for (unsigned i = 0; i < NEIGHBOURS; i++) {
		bench_print(modes[i], speeds[i], rounds, i + 1 < NEIGHBOURS ? ", " : "}\n");
		free(speeds[i]);
	}
	bench_close(&b);
	return 0;
}
