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

/* The cells of a line; none leaves blanks at its end. */
static void print_line(const struct table *t, const char *const *cells, const int *widths)
{
	int blanks = 0; /* that are due before the next text */
	for (size_t i = 0; i < t->ncolumns; i++) {
		bool right = t->heads[i][0] == '>';
		const char *text = cells[i] + (cells == t->heads && right);
		int fill = widths[i] - (int)strlen(text);
		if (!*text) {
			blanks += widths[i] + 2;
			continue;
		}
		printf("%*s%s", blanks + (right ? fill : 0), "", text);
		blanks = right ? 2 : fill + 2;
	}
	putchar('\n');
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
	print_line(t, t->heads, widths);
	for (size_t row = 0; row < t->nrows; row++)
		print_line(t, (const char *const *)&t->cells[row * t->ncolumns], widths);
	for (size_t i = 0; i < t->nrows * t->ncolumns; i++)
		free(t->cells[i]);
	free(t->cells);
}
