/* SPDX-License-Identifier: MIT */
#include "conformance.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/resource.h"
#include "../common/command.h"

/* One more element of an array, all zero. Ends the program when there is no memory. */
static void *grow(void *array, size_t *n, size_t size)
{
	char *more = realloc(array, (*n + 1) * size);
	if (!more) {
		command_failed("conformance: no memory");
		exit(EXIT_FAILED);
	}
	memset(more + *n * size, 0, size);
	++*n;
	return more;
}

static FILE *open_file(const char *name)
{
	char *path = resource_conformance(name);
	FILE *in = path ? fopen(path, "re") : NULL;
	if (!in)
		command_failed(
			"conformance: there is no file %s of the suite beside this program or where it was installed",
			name);
	free(path);
	return in;
}

static bool take_check(struct conformance *c, char *line)
{
	char *name = strsep(&line, "\t"), *image = strsep(&line, "\t"), *code = strsep(&line, "\t");
	if (!line || !*name || !*image || !*code)
		return false;
	c->checks = grow(c->checks, &c->nchecks, sizeof *c->checks);
	struct check *check = &c->checks[c->nchecks - 1];
	*check = (struct check){.name = strdup(name), .image = strdup(image), .args = strdup(line), .code = atoi(code)};
	return check->name && check->image && check->args;
}

static struct check *find_check(const struct conformance *c, const char *name)
{
	for (size_t i = 0; i < c->nchecks; i++)
		if (!strcmp(c->checks[i].name, name))
			return &c->checks[i];
	return NULL;
}

/* "HASH WORD... | TEXT": a word is a check's name, or "tests:NAME", or "none:WHY". */
static bool take_sentence(struct conformance *c, char *line)
{
	char *text = strstr(line, " | "), *word;
	if (!text || !c->nchapters)
		return false;
	*text = '\0';
	c->sentences = grow(c->sentences, &c->nsentences, sizeof *c->sentences);
	struct sentence *s = &c->sentences[c->nsentences - 1];
	s->chapter = c->chapters[c->nchapters - 1];
	s->text = strdup(text + 3);
	strsep(&line, " "); /* the hash is for who keeps the index */
	while ((word = strsep(&line, " "))) {
		struct check *check = find_check(c, word);
		if (check) {
			s->held = grow(s->held, &s->nheld, sizeof *s->held);
			s->held[s->nheld - 1] = check;
		} else if (!strncmp(word, "tests:", 6)) {
			s->elsewhere = true;
		} else if (strncmp(word, "none:", 5) != 0) {
			return false;
		}
	}
	return s->text != NULL;
}

static bool take_index_line(struct conformance *c, char *line)
{
	if (!*line || *line == ';')
		return true;
	if (*line != '#')
		return take_sentence(c, line);
	if (strncmp(line, "# ", 2) != 0)
		return true; /* a section within the chapter */
	c->chapters = grow(c->chapters, &c->nchapters, sizeof *c->chapters);
	c->chapters[c->nchapters - 1] = strdup(line + 2);
	return c->chapters[c->nchapters - 1] != NULL;
}

static bool read_lines(struct conformance *c, const char *name, bool (*take)(struct conformance *c, char *line))
{
	FILE *in = open_file(name);
	char *line = NULL;
	size_t size = 0, number = 0;
	bool good = in != NULL;
	while (good && getline(&line, &size, in) >= 0) {
		number++;
		line[strcspn(line, "\n")] = '\0';
		good = take(c, line);
		if (!good)
			command_failed("conformance: %s:%zu: not understood", name, number);
	}
	free(line);
	if (in)
		fclose(in);
	return good;
}

bool conformance_read(struct conformance *c)
{
	*c = (struct conformance){.nchecks = 0};
	return read_lines(c, "checks", take_check) && read_lines(c, "more", take_check) &&
	       read_lines(c, "index", take_index_line);
}
