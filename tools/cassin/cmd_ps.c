/* SPDX-License-Identifier: MIT */
/* cassin ps: guests as a table. */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "../common/client.h"
#include "../common/command.h"
#include "select.h"
#include "table.h"
#include "units.h"

static const char help[] =
	"Usage: cassin ps [OPTION]... [NAME|GLOB]...\n"
	"Lists guests, all of them unless some are named.\n"
	"\n"
	"  -q, --quiet     names only, one a line\n"
	"  --json          one JSON document: {\"guests\": [...]}\n"
	"  --socket PATH   the daemon's socket\n"
	"\n"
	"A name that no guest has is an error; a glob may match none.\n"
	"MEMORY is what the guest has touched, page tables included, of what it may touch.\n"
	"\n"
	"Examples:\n"
	"  cassin ps\n"
	"  cassin ps 'web-*'\n"
	"  cassin rm $(cassin ps -q 'test-*')\n";

/* A name, rather than a pattern, that no guest has is reported: EXIT_FAILED. */
static int check_names(const json_t *guests, char **names, int n)
{
	int result = EXIT_OK;
	for (int i = 0; i < n; i++) {
		size_t at;
		json_t *guest;
		bool found = selection_is_glob(names[i]);
		json_array_foreach (guests, at, guest)
			found = found || !strcmp(names[i], answer_text(guest, "name"));
		if (!found)
			result = command_failed("no guest is named \"%s\"", names[i]);
	}
	return result;
}

static bool selected(const json_t *guest, char **patterns, int npatterns)
{
	for (int i = 0; i < npatterns; i++)
		if (!fnmatch(patterns[i], answer_text(guest, "name"), 0))
			return true;
	return npatterns == 0;
}

static void narrow(json_t *guests, char **patterns, int npatterns)
{
	for (size_t i = json_array_size(guests); i-- > 0;)
		if (!selected(json_array_get(guests, i), patterns, npatterns))
			json_array_remove(guests, i);
}

static void format_state(char *out, size_t size, const json_t *guest)
{
	const char *state = answer_text(guest, "state");
	if (!strcmp(state, "running") && !json_is_true(json_object_get(guest, "ready")))
		snprintf(out, size, "booting");
	else if (!strcmp(state, "running") && json_is_true(json_object_get(guest, "stopped")))
		snprintf(out, size, "stopped");
	else if (!strcmp(state, "running") && json_is_true(json_object_get(guest, "needs_memory")))
		snprintf(out, size, "needs memory");
	else if (!strcmp(state, "running") && json_is_true(json_object_get(guest, "parked")))
		snprintf(out, size, "parked");
	else if (!strcmp(state, "exited") || !strcmp(state, "waiting"))
		snprintf(out, size, "%s (%u)", state, (unsigned)answer_number(guest, "exit_code"));
	else
		snprintf(out, size, "%s", state);
}

static void format_ports(char *out, size_t size, const json_t *guest)
{
	size_t i, len = 0;
	json_t *port;
	out[0] = '\0';
	json_array_foreach (json_object_get(guest, "ports"), i, port) {
		const char *host = answer_text(port, "host");
		int n = snprintf(out + len, size - len, "%s%s->%u%s", i ? " " : "",
				 !strncmp(host, "tcp:", 4) ? host + 4 : host, (unsigned)answer_number(port, "guest"),
				 json_is_true(json_object_get(port, "refuses")) ? " (refuses)" : "");
		len += (size_t)n;
		if (len >= size)
			return;
	}
}

static void print_table(const json_t *guests)
{
	static const char *const heads[] = {"NAME",      "STATE",  ">UPTIME", ">MEMORY",
					    ">RESTARTS", "DOMAIN", "PORTS",   NULL};
	struct table t;
	json_t *guest;
	size_t i;
	table_init(&t, heads);
	json_array_foreach (guests, i, guest) {
		char state[32], uptime[UNITS_MAX], used[UNITS_MAX], quota[UNITS_MAX], memory[2 * UNITS_MAX + 4],
			restarts[16];
		char ports[256];
		uint64_t ns = answer_number(guest, "uptime_ns");
		format_state(state, sizeof state, guest);
		format_ports(ports, sizeof ports, guest);
		snprintf(memory, sizeof memory, "%s / %s", units_size(used, answer_number(guest, "used_bytes")),
			 units_size(quota, answer_number(guest, "memory_bytes")));
		snprintf(restarts, sizeof restarts, "%u", (unsigned)answer_number(guest, "restarts"));
		table_row(&t,
			  (const char *const[]){answer_text(guest, "name"), state, ns ? units_time(uptime, ns) : "-",
						memory, restarts, answer_text(guest, "domain"), ports});
	}
	table_print(&t);
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = {
		COMMON_OPTIONS, {"quiet", no_argument, NULL, 'q'}, {"json", no_argument, NULL, 'j'}, {0}};
	bool quiet = false, json = false;
	int option;
	while ((option = getopt_long(argc, argv, "hq", longs, NULL)) != -1) {
		if (option == 'q')
			quiet = true;
		else if (option == 'j')
			json = true;
		else
			command_option(&cmd_ps, option == 'h' ? OPTION_HELP : option);
	}
	struct client *c = client_open();
	json_t *list = c ? client_json(c, "GET", "/v1/guests", NULL) : NULL;
	if (c)
		client_close(c);
	if (!list)
		return EXIT_FAILED;
	json_t *guests = json_object_get(list, "guests"), *guest;
	size_t i;
	int result = check_names(guests, argv + optind, argc - optind);
	narrow(guests, argv + optind, argc - optind);
	if (json)
		answer_print(list);
	else if (!quiet && (result == EXIT_OK || json_array_size(guests)))
		print_table(guests);
	else
		json_array_foreach (guests, i, guest)
			puts(answer_text(guest, "name"));
	json_decref(list);
	return result;
}

const struct command cmd_ps = {"ps", "list guests", help, run};
