/* SPDX-License-Identifier: MIT */
/* One call of `cassin density`: a scenario, the systems under test, what has been measured. */
#ifndef DENSITY_LAB_H
#define DENSITY_LAB_H

#include <signal.h>

#include "bar.h"
#include "child.h"
#include "host.h"
#include "memgroup.h"
#include "scenario.h"

#define LAB_PEERS_MAX 8

struct lab {
	struct scenario scenario;
	const char *examples; /* NULL: where they are by default */
	const char *out;      /* folder of the report */
	double reserve_kib;   /* memory that the host keeps available */
	json_t *results;
	bool progress; /* a bar may be shown */
	struct bar bar;
	double spawn_s; /* a guest's, as measured last: for the time left */
	uint64_t begun;
};

/* Set by SIGINT and SIGTERM. */
extern volatile sig_atomic_t lab_interrupted;

/* Where the load client finds guest i of a group. */
struct target {
	char gateway[108]; /* "": TCP ports of this host, from base */
	unsigned base, port, batch;
	const char *prefix;
};

/* Counters since the start; those that a system lacks are NAN. */
struct counters {
	double exits, hypercalls, switches, preemptions;
	double used_frames, image_frames, quarantined_frames;
	double resident;       /* KiB */
	double cpu, cpu_guest; /* seconds, of all of the system's processes */
};

struct memory_kinds {
	double pages, shared, tables, own, processes; /* KiB, all guests together; NAN: the system has no such kind */
};

/* What is under test: Cassin, or a command that is run once for each guest. Results of calls: 0; -EINTR: Ctrl-C;
 * -ENOMEM: stopped before the host was short of memory; -EIO. `why` tells the last two. */
struct system {
	const struct system_calls *calls;
	struct lab *lab;
	const char *name, *command;
	struct memgroup memory; /* its processes are in it */
	unsigned guests;        /* of the step; those of fixed groups are not counted */
	char why[256];
};

struct system_calls {
	int (*start)(struct system *s);
	/* Grows to so many guests, sets s->guests to how far it came, and notes how long spawns took. */
	int (*grow)(struct system *s, unsigned guests, json_t *into);
	void (*target)(struct system *s, size_t group, struct target *t);
	int (*counters)(struct system *s, struct counters *c);
	int (*memory)(struct system *s, struct memory_kinds *k);
	/* Shares of CPU since they were last asked for, of the guests whose fairness is measured. NULL: not measured. */
	void (*shares)(struct system *s, json_t *into);
	/* Replaces the oldest guest; *ns is how long it took. NULL: cannot. */
	int (*churn)(struct system *s, uint64_t *ns);
	double (*descriptors)(struct system *s);
	void (*stop)(struct system *s);
	void (*free)(struct system *s);
};

/* NULL: no memory. `command` has {i} and {port}. */
struct system *cassin_system(struct lab *lab);
struct system *process_system(struct lab *lab, const char *name, const char *command);

/* Says why a call failed; returns -EIO. */
int system_failed(struct system *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The host is short of memory: says so, and returns -ENOMEM. Else 0. -EINTR after Ctrl-C. */
int lab_check(struct system *s);
/* All guests of a step, those of fixed groups too. */
unsigned lab_all_guests(const struct scenario *s, unsigned guests);

#endif
