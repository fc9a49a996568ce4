/* SPDX-License-Identifier: MIT */
/* One line on a terminal: how far it is, and how long it will take. */
#ifndef DENSITY_BAR_H
#define DENSITY_BAR_H

#include <stdbool.h>
#include <stdint.h>

struct bar {
	bool shown;
	unsigned width;
	double done_s, all_s;      /* planned seconds of what is done, and of everything */
	double step_s;             /* of the step under way */
	uint64_t step_began, last; /* ns */
	char what[96];
};

void bar_start(struct bar *b, bool quiet, double all_s);
/* A step begins, planned to take so long. */
void bar_step(struct bar *b, double seconds);
void bar_say(struct bar *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Draws again, a few times a second at most. */
void bar_draw(struct bar *b);
void bar_step_done(struct bar *b);
/* Takes the line away, so that something else can be printed. */
void bar_clear(const struct bar *b);

#endif
