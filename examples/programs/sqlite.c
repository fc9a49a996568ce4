/* SPDX-License-Identifier: MIT */
/*
 * sqlite [-batch] [DATABASE [SQL...]]: SQL from the arguments, or else from the console, answered there as the sqlite3 shell
 * does by default. DATABASE is a file of the guest's spec, of which this works on a copy in memory; ":memory:", which is also
 * what it is without arguments, begins empty. -batch: no prompt, and the first mistake is the end.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cassin/guest.h>

#include <sqlite3.h>

#define LINE_MOST 65536

static bool batch;

static int fail(const char *what, const char *why)
{
	fprintf(stderr, "%s: %s\n", what, why);
	return EXIT_FAILURE;
}

/* ---- Statements ---- */

static void print_row(sqlite3_stmt *row)
{
	for (int i = 0; i < sqlite3_column_count(row); i++) {
		const char *text = (const char *)sqlite3_column_text(row, i);
		printf("%s%s", i ? "|" : "", text ? text : "");
	}
	putchar('\n');
}

/* Runs what is in `sql`, statement after statement, up to the first mistake. */
static bool run(sqlite3 *db, const char *sql)
{
	static struct cassin_birth birth;
	int result = SQLITE_OK;
	if (cassin_reborn(&birth)) /* a clone: SQLite's random numbers begin with another seed */
		sqlite3_randomness(0, NULL);
	while (result == SQLITE_OK && *sql) {
		sqlite3_stmt *statement;
		result = sqlite3_prepare_v2(db, sql, -1, &statement, &sql);
		if (result != SQLITE_OK || !statement) /* nothing but a comment */
			continue;
		while ((result = sqlite3_step(statement)) == SQLITE_ROW)
			print_row(statement);
		result = sqlite3_finalize(statement);
	}
	if (result != SQLITE_OK)
		fail("Error", sqlite3_errmsg(db));
	return result == SQLITE_OK;
}

/* ---- The console ---- */

static bool command(sqlite3 *db, const char *line)
{
	if (!strcmp(line, ".tables\n"))
		return run(db, "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') ORDER BY name");
	if (!strcmp(line, ".schema\n"))
		return run(db, "SELECT sql || ';' FROM sqlite_schema WHERE sql IS NOT NULL");
	fail("Error", "there are .tables, .schema and .quit");
	return false;
}

/* More of a statement, whose begin is `sql`. NULL: no memory. */
static char *append(char *sql, const char *line)
{
	size_t have = sql ? strlen(sql) : 0;
	char *more = realloc(sql, have + strlen(line) + 1);
	if (more)
		strcpy(more + have, line);
	return more;
}

static int converse(sqlite3 *db)
{
	static char line[LINE_MOST];
	char *sql = NULL;
	bool good = true;
	while (good || !batch) {
		if (!batch)
			printf(sql ? "   ...> " : "sqlite> ");
		fflush(stdout);
		if (!fgets(line, sizeof line, stdin) || (!sql && !strcmp(line, ".quit\n")))
			break;
		if (!sql && line[0] == '.') {
			good = command(db, line);
			continue;
		}
		sql = append(sql, line);
		if (!sql)
			return fail("Error", "no memory for the statement");
		if (sqlite3_complete(sql)) {
			good = run(db, sql);
			free(sql);
			sql = NULL;
		}
	}
	if (sql) /* the last one needs no semicolon */
		good = run(db, sql);
	free(sql);
	return good || !batch ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- The database ---- */

/* The whole file, from SQLite's memory; NULL: reported. */
static unsigned char *read_file(const char *name, long *size)
{
	FILE *file = fopen(name, "rb");
	if (!file) {
		fail(name, "not among the files of the guest's spec");
		return NULL;
	}
	*size = fseek(file, 0, SEEK_END) ? -1 : ftell(file);
	rewind(file);
	unsigned char *bytes = *size < 0 ? NULL : sqlite3_malloc64((sqlite3_uint64)*size + 1);
	if (!bytes) {
		fail(name, "larger than the guest's memory");
	} else if (fread(bytes, 1, (size_t)*size, file) != (size_t)*size) {
		fail(name, "cannot be read");
		sqlite3_free(bytes);
		bytes = NULL;
	}
	fclose(file);
	return bytes;
}

/* The file becomes the content of `db`, which takes its bytes over. */
static int load(sqlite3 *db, const char *name)
{
	long size;
	unsigned char *bytes = read_file(name, &size);
	if (!bytes)
		return EXIT_FAILURE;
	if (sqlite3_deserialize(db, "main", bytes, size, size,
				SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE) ||
	    sqlite3_exec(db, "SELECT 1 FROM sqlite_schema", NULL, NULL, NULL))
		return fail(name, sqlite3_errmsg(db));
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	sqlite3 *db;
	int code = EXIT_SUCCESS;
	if (argc > 1 && !strcmp(argv[1], "-batch")) {
		batch = true;
		argc--;
		argv++;
	}
	if (argc > 1 && argv[1][0] == '-')
		return fail("usage", "sqlite [-batch] [DATABASE [SQL...]]");
	if (sqlite3_open(":memory:", &db))
		return fail("Error", "no memory for a database");
	if (argc > 1 && strcmp(argv[1], ":memory:") != 0)
		code = load(db, argv[1]);
	for (int i = 2; code == EXIT_SUCCESS && i < argc; i++)
		code = run(db, argv[i]) ? EXIT_SUCCESS : EXIT_FAILURE;
	if (code == EXIT_SUCCESS && argc <= 2)
		code = converse(db);
	sqlite3_close(db);
	return code;
}
