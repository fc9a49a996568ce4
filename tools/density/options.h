/* SPDX-License-Identifier: MIT */
/* The command line of `cassin density`. */
#ifndef DENSITY_OPTIONS_H
#define DENSITY_OPTIONS_H

#include <stdbool.h>

#include "lab.h"

struct peer {
	char name[32];
	const char *command;
};

struct density_options {
	const char *out, *examples, *ramp;
	struct peer peers[LAB_PEERS_MAX];
	unsigned peer_count, runs;  /* runs 0: the scenario's */
	double warmup_s, measure_s; /* below 0: the scenario's */
	double reserve_kib;         /* below 0: the default */
	bool baseline, quiet, list;
	char **words; /* what is no option, NULL-terminated */
	int word_count;
};

/* Ends with EXIT_USAGE if they cannot be. */
void density_options_parse(struct density_options *o, int argc, char **argv);

#endif
