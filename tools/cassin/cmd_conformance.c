/* SPDX-License-Identifier: MIT */
/* cassin conformance: a hypervisor, ours or another, against the suite. */
#include <cassin/abi.h>
#include <fnmatch.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "../common/command.h"
#include "conformance.h"
#include "progress.h"
#include "table.h"

static const char help[] =
	"Usage: cassin conformance [OPTION]... [CHECK-GLOB]...\n"
	"Holds a hypervisor to the sentences of the ABI (docs/abi.md): runs small guests, each of\n"
	"which ends with a code that is known, and prints a table by chapter. What a single guest\n"
	"cannot see is held by other tests of this project, or by none; the table says so.\n"
	"\n"
	"  --hypervisor CMD  try this one instead of `cassin run`: a shell's command that runs a\n"
	"                    guest in the foreground and exits with its code (134: it crashed).\n"
	"                    {image} and {args} stand for the guest's file and its arguments\n"
	"  --backend WHAT    of our own `cassin run`: auto, kvm or process\n"
	"  --list            print the checks that would run: name, image, code, arguments\n"
	"  --json            one JSON document\n"
	"\n"
	"Exit code: 0 if every check passed, 1 if not.\n"
	"\n"
	"Examples:\n"
	"  cassin conformance\n"
	"  cassin conformance 'upcall.*' 'user*'\n"
	"  cassin conformance --hypervisor 'my-vmm --image {image} -- {args}'\n";

struct options {
	const char *hypervisor;
	bool list, json;
	char **globs;
};

struct total {
	size_t sentences, checked, elsewhere, none, failed; /* sentences; failed: with a check that is */
};

static bool named(char *const *globs, const char *name)
{
	bool wanted = !*globs;
	for (; *globs && !wanted; globs++)
		wanted = !fnmatch(*globs, name, 0);
	return wanted;
}

static size_t choose(struct conformance *c, char *const *globs)
{
	size_t n = 0;
	for (size_t i = 0; i < c->nsentences; i++)
		for (size_t k = 0; k < c->sentences[i].nheld; k++) {
			struct check *check = c->sentences[i].held[k];
			n += !check->wanted && named(globs, check->name);
			check->wanted |= named(globs, check->name);
		}
	return n;
}

static size_t run_all(struct conformance *c, const char *command, size_t all)
{
	struct progress bar;
	unsigned done = 0, failed = 0;
	progress_start(&bar);
	for (size_t i = 0; i < c->nchecks; i++) {
		struct check *check = &c->checks[i];
		if (!check->wanted)
			continue;
		progress_show(&bar, done, failed, (unsigned)all, check->name);
		conformance_run(check, command);
		done++;
		failed += check->verdict == CHECK_FAILED;
	}
	progress_end(&bar);
	return failed;
}

static void count(struct total *t, const struct sentence *s)
{
	bool ran = false, failed = false;
	for (size_t i = 0; i < s->nheld; i++) {
		ran |= s->held[i]->verdict != CHECK_NOT_RUN;
		failed |= s->held[i]->verdict == CHECK_FAILED;
	}
	t->sentences++;
	t->checked += ran;
	t->failed += failed;
	t->elsewhere += !s->nheld && s->elsewhere;
	t->none += !s->nheld && !s->elsewhere;
}

static struct total total_of(const struct conformance *c, const char *chapter)
{
	struct total t = {0};
	for (size_t i = 0; i < c->nsentences; i++)
		if (!chapter || c->sentences[i].chapter == chapter)
			count(&t, &c->sentences[i]);
	return t;
}

static void row(struct table *table, const char *name, const struct total *t)
{
	char cells[5][16];
	const char *line[] = {name, cells[0], cells[1], cells[2], cells[3], cells[4]};
	const size_t values[] = {t->sentences, t->checked, t->failed, t->elsewhere, t->none};
	for (size_t i = 0; i < 5; i++)
		snprintf(cells[i], sizeof cells[i], "%zu", values[i]);
	table_row(table, line);
}

static void print_failures(const struct conformance *c)
{
	for (size_t i = 0; i < c->nsentences; i++)
		for (size_t k = 0; k < c->sentences[i].nheld; k++) {
			const struct check *check = c->sentences[i].held[k];
			if (check->verdict == CHECK_FAILED)
				printf("%s: \"%s\"\n  %s: %s\n", c->sentences[i].chapter, c->sentences[i].text,
				       check->name, check->why ? check->why : "no memory");
		}
}

static void print_table(const struct conformance *c, size_t all, size_t failed)
{
	static const char *const heads[] = {"CHAPTER",         ">SENTENCES", ">CHECKED", ">FAILED",
					    ">BY OTHER TESTS", ">BY NONE",   NULL};
	struct table table;
	struct total whole = total_of(c, NULL);
	table_init(&table, heads);
	for (size_t i = 0; i < c->nchapters; i++) {
		struct total t = total_of(c, c->chapters[i]);
		row(&table, c->chapters[i], &t);
	}
	row(&table, "all", &whole);
	table_print(&table);
	print_failures(c);
	printf("ABI %d.%d: %zu checks passed, %zu failed: %.1f %%\n", CASSIN_ABI_MAJOR, CASSIN_ABI_MINOR, all - failed,
	       failed, 100.0 * (double)(all - failed) / (double)all);
}

static json_t *total_json(const char *name, const struct total *t)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I}", "chapter", name, "sentences", (json_int_t)t->sentences,
			 "checked", (json_int_t)t->checked, "failed", (json_int_t)t->failed, "by_other_tests",
			 (json_int_t)t->elsewhere, "by_none", (json_int_t)t->none);
}

static void print_json(const struct conformance *c, size_t all, size_t failed)
{
	json_t *chapters = json_array(), *checks = json_array();
	for (size_t i = 0; i < c->nchapters; i++) {
		struct total t = total_of(c, c->chapters[i]);
		json_array_append_new(chapters, total_json(c->chapters[i], &t));
	}
	for (size_t i = 0; i < c->nchecks; i++) {
		const struct check *k = &c->checks[i];
		if (k->wanted)
			json_array_append_new(checks, json_pack("{s:s, s:b, s:s?}", "name", k->name, "passed",
								k->verdict == CHECK_PASSED, "why", k->why));
	}
	json_t *o = json_pack("{s:[i, i], s:I, s:I, s:o, s:o}", "abi", CASSIN_ABI_MAJOR, CASSIN_ABI_MINOR, "passed",
			      (json_int_t)(all - failed), "failed", (json_int_t)failed, "chapters", chapters, "checks",
			      checks);
	answer_print(o);
	json_decref(o);
}

static void take_options(struct options *o, int argc, char **argv)
{
	enum { HYPERVISOR = OPTION_OWN, BACKEND, LIST };
	static const struct option longs[] = {
		COMMON_OPTIONS,
		{"hypervisor", required_argument, NULL, HYPERVISOR},
		{"backend", required_argument, NULL, BACKEND},
		{"list", no_argument, NULL, LIST},
		{"json", no_argument, NULL, 'j'},
		{0},
	};
	int option;
	while ((option = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (option == HYPERVISOR)
			o->hypervisor = optarg;
		else if (option == BACKEND)
			command_backend(&cmd_conformance, optarg);
		else if (option == LIST)
			o->list = true;
		else if (option == 'j')
			o->json = true;
		else
			command_option(&cmd_conformance, option == 'h' ? OPTION_HELP : option);
	}
	if (o->hypervisor && !strstr(o->hypervisor, "{image}"))
		command_usage(&cmd_conformance, "--hypervisor: the command does not say where {image} goes");
	if (o->hypervisor && !strstr(o->hypervisor, "{args}"))
		command_usage(&cmd_conformance, "--hypervisor: the command does not say where {args} go");
	o->globs = argv + optind;
}

static int run(int argc, char **argv)
{
	struct options o = {0};
	struct conformance c;
	take_options(&o, argc, argv);
	if (!conformance_read(&c))
		return EXIT_FAILED;
	size_t all = choose(&c, o.globs);
	if (!all)
		return command_failed("conformance: no check is called \"%s\"; --list names them", o.globs[0]);
	for (size_t i = 0; o.list && i < c.nchecks; i++)
		if (c.checks[i].wanted)
			printf("%s\t%s.elf\t%d\t%s\n", c.checks[i].name, c.checks[i].image, c.checks[i].code,
			       c.checks[i].args);
	if (o.list)
		return EXIT_OK;
	char *own = o.hypervisor ? NULL : conformance_default_command();
	const char *command = o.hypervisor ? o.hypervisor : own;
	if (!command)
		return command_failed("conformance: no memory");
	size_t failed = run_all(&c, command, all);
	free(own);
	if (o.json)
		print_json(&c, all, failed);
	else
		print_table(&c, all, failed);
	return failed ? EXIT_FAILED : EXIT_OK;
}

const struct command cmd_conformance = {"conformance", "hold a hypervisor to the ABI, sentence by sentence", help, run};
