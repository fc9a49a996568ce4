/* SPDX-License-Identifier: MIT */
#include "table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/command.h"

void table_init(struct table *t, const char *const *heads)
{
	*t = (struct table){0};
	while (heads[t->ncolumns] && t->ncolumns < TABLE_COLUMNS) {
		t->heads[t->ncolumns] = heads[t->ncolumns];
		t->ncolumns++;
	}
}

void table_row(struct table *t, const char *const *cells)
{
	char **more = realloc(t->cells, (t->nrows + 1) * t->ncolumns * sizeof *more);
	if (!more)
		exit(command_failed("no memory"));
	t->cells = more;
	for (size_t i = 0; i < t->ncolumns; i++) {
		char *copy = strdup(cells[i]);
		if (!copy)
			exit(command_failed("no memory"));
		t->cells[t->nrows * t->ncolumns + i] = copy;
	}
	t->nrows++;
}

static void print_cell(const struct table *t, size_t column, const char *text, int width)
{
	bool right = t->heads[column][0] == '>', last = column + 1 == t->ncolumns;
	if (right)
		printf("%*s", width, text);
	else if (last)
		printf("%s", text);
	else
		printf("%-*s", width, text);
	fputs(last ? "\n" : "  ", stdout);
}

void table_print(struct table *t)
{
	int widths[TABLE_COLUMNS];
	for (size_t i = 0; i < t->ncolumns; i++) {
		widths[i] = (int)strlen(t->heads[i] + (t->heads[i][0] == '>'));
		for (size_t row = 0; row < t->nrows; row++) {
			int len = (int)strlen(t->cells[row * t->ncolumns + i]);
			widths[i] = len > widths[i] ? len : widths[i];
		}
	}
	for (size_t i = 0; i < t->ncolumns; i++)
		print_cell(t, i, t->heads[i] + (t->heads[i][0] == '>'), widths[i]);
	for (size_t i = 0; i < t->nrows * t->ncolumns; i++) {
		print_cell(t, i % t->ncolumns, t->cells[i], widths[i % t->ncolumns]);
		free(t->cells[i]);
	}
	free(t->cells);
}
