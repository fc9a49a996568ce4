/* SPDX-License-Identifier: MIT */
/* cassin top: its options, and the form for scripts. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../common/command.h"
#include "select.h"
#include "top.h"

#define INTERVAL_LEAST 0.1
#define INTERVAL_MOST 3600.0

static const char help[] =
	"Usage: cassin top [OPTION]... [NAME|GLOB]...\n"
	"Shows what guests do, as it changes: all of them unless some are named, the busiest first.\n"
	"\n"
	"  --interval S    seconds between samples, 0.1 to 3600 (default 1)\n"
	"  --sort COLUMN   name, state, cpu (default), memory, exits, accepted, in, out, uptime\n"
	"  --reverse       the other way round\n"
	"  --once          print one table, over one interval, and end; for scripts\n"
	"  --json          the same as one JSON document: {\"interval_ns\", \"totals\", \"guests\"}\n"
	"  --socket PATH   the daemon's socket\n"
	"\n"
	"CPU% is a share of one core, on the guest's virtual time. MEMORY is what it has touched, page tables\n"
	"included. EXITS/S are exits to the hypervisor, ACCEPT/S connections accepted, IN/S and OUT/S bytes of\n"
	"streams; all per second, over the last interval.\n"
	"\n"
	"Keys:\n"
	"  n s c m e a i o u    sort by name, state, CPU, memory, exits, accepted, in, out, uptime\n"
	"  < >                  sort by the column before or after\n"
	"  r                    reverse\n"
	"  /                    filter: a part of the name, or a glob; Enter keeps it, Esc clears it\n"
	"  arrows, PgUp, PgDn, Home, End    scroll\n"
	"  Ctrl-L               redraw everything\n"
	"  q                    quit\n"
	"\n"
	"Examples:\n"
	"  cassin top\n"
	"  cassin top --sort memory 'web-*'\n"
	"  cassin top --once | head\n"
	"  cassin top --json --interval 5 | jq .totals.exits_per_s\n";

static uint64_t parse_interval(const char *text)
{
	char *end;
	double seconds = strtod(text, &end);
	if (end == text || *end || !(seconds >= INTERVAL_LEAST && seconds <= INTERVAL_MOST))
		command_usage(&cmd_top, "--interval %s: must be 0.1 to 3600 seconds", text);
	return (uint64_t)(seconds * NS_PER_S);
}

static enum top_column parse_sort(const char *text)
{
	enum top_column column = top_column_named(text);
	if (column == TOP_COLUMNS)
		command_usage(&cmd_top, "--sort %s: no such column", text);
	return column;
}

/* Takes over `before`. */
/* A name, rather than a pattern, that no guest has is reported: EXIT_FAILED. */
static int names_known(const struct top_view *v, const struct top_sample *s)
{
	int result = EXIT_OK;
	for (int i = 0; i < v->npatterns; i++) {
		bool known = selection_is_glob(v->patterns[i]);
		for (size_t k = 0; k < s->count; k++)
			known = known || !strcmp(s->guests[k].name, v->patterns[i]);
		if (!known)
			result = command_failed("no guest is named \"%s\"", v->patterns[i]);
	}
	return result;
}

static int once(struct top_view *v, struct top_sample *before, bool json)
{
	struct timespec t = {.tv_sec = (time_t)(v->interval_ns / NS_PER_S),
			     .tv_nsec = (long)(v->interval_ns % NS_PER_S)};
	nanosleep(&t, NULL);
	struct top_sample *s = top_sample_take();
	int result = s ? names_known(v, s) : EXIT_FAILED;
	if (s) {
		top_sample_rates(s, before);
		top_rows(v, s);
		if (json)
			top_print_json(v, s);
		else
			top_print(v, s);
	}
	top_sample_free(before);
	top_sample_free(s);
	return result;
}

static int run(int argc, char **argv)
{
	enum { OPTION_INTERVAL = OPTION_OWN, OPTION_SORT, OPTION_REVERSE, OPTION_ONCE, OPTION_JSON };
	static const struct option longs[] = {COMMON_OPTIONS,
					      {"interval", required_argument, NULL, OPTION_INTERVAL},
					      {"sort", required_argument, NULL, OPTION_SORT},
					      {"reverse", no_argument, NULL, OPTION_REVERSE},
					      {"once", no_argument, NULL, OPTION_ONCE},
					      {"json", no_argument, NULL, OPTION_JSON},
					      {0}};
	struct top_view v = {.interval_ns = NS_PER_S, .sort = COLUMN_CPU};
	bool plain = false, json = false;
	int option;
	while ((option = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (option == OPTION_INTERVAL)
			v.interval_ns = parse_interval(optarg);
		else if (option == OPTION_SORT)
			v.sort = parse_sort(optarg);
		else if (option == OPTION_REVERSE)
			v.reverse = true;
		else if (option == OPTION_ONCE)
			plain = true;
		else if (option == OPTION_JSON)
			json = true;
		else
			command_option(&cmd_top, option == 'h' ? OPTION_HELP : option);
	}
	v.patterns = argv + optind;
	v.npatterns = argc - optind;
	if (!plain && !json && (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		return command_failed("top needs a terminal; without one: cassin top --once");
	struct top_sample *s = top_sample_take();
	if (!s)
		return EXIT_FAILED;
	int code = plain || json ? once(&v, s, json) : top_screen(&v, s);
	free(v.rows);
	return code;
}

const struct command cmd_top = {"top", "watch what guests do", help, run};
