/* SPDX-License-Identifier: MIT */
/* What the load client is to do: one JSON document on its standard input. */
#ifndef LOAD_JOB_H
#define LOAD_JOB_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "../scenario.h"

struct job {
	json_t *document;
	enum load_kind kind;
	unsigned connections, requests, count;
	double rate, skew, warmup_s, measure_s, set_share, patience_s;
	bool zipf;
	const char *path;
	unsigned keys, value_bytes;
	uint64_t seed;

	/* Where the targets are: by name through a gateway, or on TCP ports of this host. */
	const char *gateway, *prefix;
	unsigned port, batch; /* of the guest; guest i is PREFIX-(i / batch)-(i % batch) */
	const char *host;
	unsigned base;

	double *cumulative; /* of each target's share, for Zipf's law */
	uint64_t random;
};

/* 0; -EINVAL: *why says what is wrong. */
int job_read(struct job *j, FILE *in, char *why, size_t size);
void job_free(struct job *j);
/* A number from 0 up to 1. */
double job_draw(struct job *j);
/* The next target's number. */
unsigned job_target(struct job *j);

#endif
