/* SPDX-License-Identifier: MIT */
/* cassind's command line. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <cassin/engine.h>

struct options {
	const char *socket, *state;
	unsigned workers;
	uint64_t pool_bytes;
	unsigned max_guests; /* 0: no limit */
	bool no_overcommit;
	unsigned memory_wait_s;
	unsigned park_s;     /* 0: never */
	const char *swap;    /* NULL: none */
	uint64_t swap_bytes; /* 0: the engine's own choice */
	int ready_fd;        /* -1: none */
	enum cassin_sandbox_mode sandbox;
	enum cassin_backend backend;
};

/* Returns only when the daemon is to run: --help, --version and mistakes end the process. */
void options_parse(struct options *o, int argc, char **argv);

#endif
