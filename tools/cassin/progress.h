/* SPDX-License-Identifier: MIT */
/* A progress bar on stderr, if that is a terminal; else nothing. */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool shown;
	uint64_t started; /* CLOCK_MONOTONIC, ns */
	unsigned width;
};

void progress_start(struct progress *p);
void progress_show(const struct progress *p, unsigned done, unsigned failed, unsigned all, const char *what);
/* Removes the bar. */
void progress_end(const struct progress *p);

#endif
