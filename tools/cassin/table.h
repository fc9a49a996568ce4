/* SPDX-License-Identifier: MIT */
/* A table on stdout whose columns line up. */
#ifndef TABLE_H
#define TABLE_H

#include <stddef.h>

#define TABLE_COLUMNS 12

struct table {
	size_t ncolumns, nrows;
	const char *heads[TABLE_COLUMNS]; /* '>' before a head: numbers, to the right */
	char **cells;                     /* nrows * ncolumns */
};

/* Heads end with NULL. */
void table_init(struct table *t, const char *const *heads);
/* One more row of formatted cells, which are copied. Ends the program when there is no memory. */
void table_row(struct table *t, const char *const *cells);
/* Prints and frees it. */
void table_print(struct table *t);

#endif
