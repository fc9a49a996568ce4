/* SPDX-License-Identifier: MIT */
/* The load clients of a step, as the lab sees them: one process for each load of the scenario. */
#ifndef DENSITY_CLIENTS_H
#define DENSITY_CLIENTS_H

#include "lab.h"

struct one_client {
	struct child child;
	char *text; /* what has come of its output, not yet a whole line */
	size_t len, size;
	json_t *result;
	double cpu; /* seconds, as read last */
};

struct clients {
	size_t count, measuring, done;
	struct one_client of[SCENARIO_LOADS_MAX];
};

/* Starts them. 0, -EIO. */
int clients_start(struct clients *c, struct system *s);
/* Waits up to so long for events of theirs. 0; -EIO: one has died. */
int clients_poll(struct clients *c, struct system *s, int ms);
double clients_cpu(struct clients *c);
/* Figures from the results. */
void clients_metrics(const struct clients *c, struct system *s, json_t *into);
void clients_stop(struct clients *c);

#endif
