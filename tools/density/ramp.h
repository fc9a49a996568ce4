/* SPDX-License-Identifier: MIT */
/* Step by step through a scenario, for every system and as often as it says. */
#ifndef DENSITY_RAMP_H
#define DENSITY_RAMP_H

#include "lab.h"

struct under_test {
	struct system *system;
	json_t *entry; /* in the results */
	bool failed;   /* it takes no part in further runs */
};

/* Returns how it ended, for the report; "complete" if all went well. Whatever happened, the results are written. */
const char *ramp_run(struct lab *lab, struct under_test *under, size_t count);

#endif
