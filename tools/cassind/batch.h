/* SPDX-License-Identifier: MIT */
/* Many guests from one spec: what POST /v1/spawn asks for, and guest i of it. */
#ifndef BATCH_H
#define BATCH_H

#include <stdbool.h>

#include <cassin/spec.h>

#define BATCH_COUNT_MAX 100000u
#define BATCH_WAIT_MS_DEFAULT 30000u
#define BATCH_WAIT_MS_MAX 600000u

struct batch {
	struct cassin_guest_spec spec; /* its name is unused */
	char prefix[CASSIN_NAME_MAX + 1];
	unsigned count;
	bool numbered; /* guest i is PREFIX-i; else the one guest is PREFIX */
	bool atomic;
	bool wait;                       /* for room, when there is none */
	bool trace;                      /* each has a trace, which waits for a reader */
	unsigned wait_ms;                /* for the guests to be ready */
	struct cassin_guest_port *bases; /* guest i is on the host's port + i */
	size_t nbases;
};

/* Parses and checks a request. On failure nothing is to be freed. -EINVAL, -ENOMEM. */
int batch_parse(struct batch *b, const char *json, size_t len, struct cassin_error_text *err);
void batch_free(struct batch *b);

/* The spec of guest i: shares b's memory, but for what batch_spec_free() frees. -ENOMEM. */
int batch_spec(const struct batch *b, unsigned i, struct cassin_guest_spec *out);
void batch_spec_free(struct cassin_guest_spec *s);
/* Which guest has that name; -ENOENT. */
int batch_find(const struct batch *b, const char *name);
/* The guest's name; CASSIN_NAME_MAX + 1 bytes. */
void batch_name(const struct batch *b, unsigned i, char *out);

#endif
