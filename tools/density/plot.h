/* SPDX-License-Identifier: MIT */
/* Plots as inline SVG. Colours are the page's: classes c0 to c7 for lines, f0 to f7 for areas. */
#ifndef DENSITY_PLOT_H
#define DENSITY_PLOT_H

#include <stdio.h>

#define PLOT_POINTS_MAX 64
#define PLOT_SERIES_MAX 24
#define PLOT_COLOURS 8

struct plot_series {
	char name[96];
	unsigned colour, dash; /* dash 0: a solid line */
	unsigned count;
	double x[PLOT_POINTS_MAX], middle[PLOT_POINTS_MAX], low[PLOT_POINTS_MAX], high[PLOT_POINTS_MAX];
};

/* Lines over the number of guests, with the spread of runs as a band. */
void plot_lines(FILE *f, const char *title, const char *unit, const struct plot_series *series, size_t count);

/* Bars in groups; each is a stack of parts. */
struct plot_bar {
	char group[32], name[40];
	unsigned count;
	double part[PLOT_COLOURS];
};

void plot_stacks(FILE *f, const char *title, const char *unit, const struct plot_bar *bars, size_t count,
		 const char *const *parts, size_t part_count);

#endif
