/* SPDX-License-Identifier: MIT */
/* cassind's command line. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdint.h>

struct options {
	const char *socket, *state;
	unsigned workers;
	uint64_t pool_bytes;
	int ready_fd; /* -1: none */
};

/* Returns only when the daemon is to run: --help, --version and mistakes end the process. */
void options_parse(struct options *o, int argc, char **argv);

#endif
