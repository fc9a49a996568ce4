/* SPDX-License-Identifier: MIT */
/*
 * cassin top: what the daemon tells at a moment, a sample (top_sample.c), taken beside the view (top_fetch.c), in order
 * and as text (top_rows.c, top_text.c), on a terminal (top_screen.c).
 */
#ifndef TOP_H
#define TOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../common/clocks.h"
#include "../common/client.h"

#define TOP_STATES 12
#define TOP_NAME 64
#define TOP_FILTER 64
#define TOP_CELL TOP_NAME
#define TOP_LINE 256

/* ---- Samples ---- */

enum top_counter { TOP_CPU, TOP_EXITS, TOP_ACCEPTED, TOP_IN, TOP_OUT, TOP_COUNTERS };

struct top_guest {
	uint64_t id;
	char name[TOP_NAME], domain[TOP_NAME];
	unsigned state; /* in the sample's states */
	uint64_t restarts, used_bytes, memory_bytes, uptime_ns;
	uint64_t counters[TOP_COUNTERS];
	double rates[TOP_COUNTERS]; /* per second; of TOP_CPU: shares of a core */
};

struct top_state {
	char name[16];
	size_t count;
};

struct top_sample {
	uint64_t at;              /* monotonic, ns */
	uint64_t span;            /* ns that the rates are over; 0: there are none yet */
	struct top_guest *guests; /* in the order of their ids */
	size_t count, room;
	struct top_state states[TOP_STATES];
	unsigned nstates;
	double sums[TOP_COUNTERS]; /* of the guests' rates */
	uint64_t workers, pool_bytes, used_bytes, uptime_ns;
	uint64_t exits, switches;
	uint64_t daemon_ns; /* CPU time of the daemon's process; 0: not known */
	double exit_rate, switch_rate, daemon_cpu;
};

/* Asks the daemon; NULL: reported. */
struct top_sample *top_sample_take(void);
void top_sample_free(struct top_sample *s);
/* Fills in the rates, over the time from an earlier sample to this. */
void top_sample_rates(struct top_sample *s, const struct top_sample *before);

/* ---- Samples taken by a thread ---- */

struct top_fetch;

/* Takes a sample at each interval, but never rests for less time than one takes. NULL: reported. */
struct top_fetch *top_fetch_start(uint64_t interval_ns);
/* Readable when there is news. */
int top_fetch_fd(const struct top_fetch *f);
/* The newest sample, the caller's from now on; NULL: none has come since the last, or, with *failed, none will: told. */
struct top_sample *top_fetch_next(struct top_fetch *f, bool *failed);

/* ---- Rows: the guests to be shown, in order ---- */

enum top_column {
	COLUMN_NAME,
	COLUMN_STATE,
	COLUMN_CPU,
	COLUMN_MEMORY,
	COLUMN_EXITS,
	COLUMN_ACCEPTED,
	COLUMN_IN,
	COLUMN_OUT,
	COLUMN_UPTIME,
	TOP_COLUMNS
};

struct top_view {
	uint64_t interval_ns;
	enum top_column sort;
	bool reverse;
	char filter[TOP_FILTER]; /* a glob, or a part of the name; "": none */
	char **patterns;         /* names and globs, one of which must match */
	int npatterns;
	const struct top_guest **rows;
	size_t nrows, room;
};

/* Fills rows: pointers into *s. */
void top_rows(struct top_view *v, const struct top_sample *s);
/* The column of that name; TOP_COLUMNS: none. */
enum top_column top_column_named(const char *name);

/* ---- Text ---- */

struct top_head {
	const char *head; /* '>' before it: to the right */
	const char *name; /* for --sort */
	char key;
	int width;
};
extern const struct top_head top_heads[TOP_COLUMNS];

void top_cell(char out[TOP_CELL], enum top_column column, const struct top_sample *s, const struct top_guest *g);
/* The totals: guests by state; CPU and pool; events. */
#define TOP_TOTALS 3
void top_totals(char out[TOP_TOTALS][TOP_LINE], const struct top_sample *s);
/* Prints rows and totals: a table, or one JSON document. */
void top_print(const struct top_view *v, const struct top_sample *s);
void top_print_json(const struct top_view *v, const struct top_sample *s);

/* ---- The view on the terminal ---- */

/* Runs until the person or a signal ends it; takes *s over. The exit code; a signal is raised again, with the terminal as
 * it was. */
int top_screen(struct top_view *v, struct top_sample *s);

#endif
