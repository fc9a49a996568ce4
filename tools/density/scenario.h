/* SPDX-License-Identifier: MIT */
/* A scenario: which guests, how many of them step by step, and what is asked of them. docs/density.md, "Scenarios". */
#ifndef DENSITY_SCENARIO_H
#define DENSITY_SCENARIO_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define SCENARIO_STEPS_MAX 32
#define SCENARIO_GROUPS_MAX 8
#define SCENARIO_LOADS_MAX 4
#define SCENARIO_WEIGHTS_MAX 16
#define SCENARIO_GUESTS_MAX 200000

enum load_kind { LOAD_HTTP, LOAD_KV, LOAD_ECHO, LOAD_LATENESS };

/* Texts belong to the scenario's document. */
struct group {
	const char *name, *image, *memory, *cpu_max, *domain, *isolation;
	const json_t *args; /* array of strings, or NULL */
	double share;       /* of a step's guests; 0: `count` of them, beside the step's */
	unsigned count;
	unsigned port;      /* of the guest; 0: none */
	unsigned host_port; /* guest i's port is also on this TCP port of the host + i; 0: none */
	unsigned weights[SCENARIO_WEIGHTS_MAX], weight_count;
	bool fairness; /* its guests' shares of CPU are compared */
	bool clones;   /* spawned from a template that is made first */
};

struct load {
	enum load_kind kind;
	unsigned group;                 /* index */
	unsigned connections, requests; /* at a time; on each connection, then a new one */
	double rate;                    /* requests a second; 0: each connection asks again as soon as it is answered */
	bool zipf;                      /* else uniform */
	double skew;
	const char *path;           /* http */
	unsigned keys, value_bytes; /* kv */
	double set_share;           /* kv: so many requests of all are SET */
};

struct scenario {
	json_t *document;
	const char *name, *title, *description, *pool, *swap, *baseline;
	unsigned steps[SCENARIO_STEPS_MAX], step_count;
	unsigned runs, workers;
	unsigned park_s; /* guests that have waited for so long are parked; 0: never */
	double warmup_s, measure_s;
	bool churn; /* guests of the first group are removed and spawned all the time */
	struct group groups[SCENARIO_GROUPS_MAX];
	size_t group_count;
	struct load loads[SCENARIO_LOADS_MAX];
	size_t load_count;
};

/* Reads and checks a scenario from an open file, which errors call `path`. 0; -EINVAL: *why says what is wrong and where. */
int scenario_read(struct scenario *s, int fd, const char *path, char *why, size_t size);
/* The ramp as text, "10,100,1000", in place of the scenario's. 0, -EINVAL. */
int scenario_set_ramp(struct scenario *s, const char *text);
void scenario_free(struct scenario *s);

/* How many guests of a group there are when the step has `guests`. */
unsigned scenario_group_size(const struct scenario *s, size_t group, unsigned guests);

extern const char *const load_kinds[];

#endif
