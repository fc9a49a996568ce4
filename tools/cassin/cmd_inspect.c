/* SPDX-License-Identifier: MIT */
/* cassin inspect: all that is known of guests. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "answer.h"
#include "select.h"
#include "units.h"

static const char help[] =
	"Usage: cassin inspect [OPTION]... NAME|GLOB...\n"
	"Shows all that is known of guests: state, counters, spec and the last crash report.\n"
	"\n"
	"  -a, --all       every guest\n"
	"  --json          one JSON document: an array of guests\n"
	"  --socket PATH   the daemon's socket\n"
	"\n"
	"Examples:\n"
	"  cassin inspect web-3\n"
	"  cassin inspect --json --all | jq '.[].counters.exits'\n";

static void line(const char *key, const char *value)
{
	printf("%-19s %s\n", key, value);
}

static void line_number(const char *key, uint64_t value)
{
	printf("%-19s %llu\n", key, (unsigned long long)value);
}

static void print_times(const json_t *guest)
{
	time_t started = (time_t)(answer_number(guest, "started_ns") / 1000000000);
	uint64_t uptime = answer_number(guest, "uptime_ns");
	char text[64], units[UNITS_MAX];
	struct tm local;
	localtime_r(&started, &local);
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z", &local);
	line("started", started ? text : "-");
	line("uptime", uptime ? units_time(units, uptime) : "-");
}

/* A key of the API as words. */
static const char *words(const char *key, char text[32])
{
	snprintf(text, 32, "%s", key);
	for (char *at = text; (at = strchr(at, '_'));)
		*at = ' ';
	return text;
}

static void print_counters(const json_t *guest)
{
	json_t *counters = json_object_get(guest, "counters"), *value;
	const char *key;
	char units[UNITS_MAX], text[32];
	json_object_foreach (counters, key, value) {
		uint64_t n = (uint64_t)json_integer_value(value);
		if (!strcmp(key, "virtual_ns"))
			line("virtual time", units_time(units, n));
		else if (!strcmp(key, "work_ns"))
			line("work outside turns", units_time(units, n));
		else
			line_number(words(key, text), n);
	}
}

/* What it holds of the host's memory; what there is none of is left out. */
static void print_account(const json_t *account)
{
	json_t *value;
	const char *key;
	char units[UNITS_MAX];
	line("host memory", units_size(units, answer_number(account, "total")));
	json_object_foreach ((json_t *)account, key, value) {
		if (json_integer_value(value) && strcmp(key, "total") != 0)
			printf("  %-17s %s\n", key, units_size(units, (uint64_t)json_integer_value(value)));
	}
}

static void print_ports(const json_t *guest)
{
	size_t i;
	json_t *port;
	json_array_foreach (json_object_get(guest, "ports"), i, port) {
		char text[256];
		snprintf(text, sizeof text, "%s->%u%s", answer_text(port, "host"),
			 (unsigned)answer_number(port, "guest"),
			 json_is_true(json_object_get(port, "refuses")) ? ", refuses: the guest does not listen there"
									: "");
		line("port", text);
	}
}

static void print_guest(const json_t *guest)
{
	char used[UNITS_MAX], quota[UNITS_MAX], text[2 * UNITS_MAX + 8];
	const char *report = answer_text(guest, "report");
	line("name", answer_text(guest, "name"));
	line_number("id", answer_number(guest, "id"));
	line("state", answer_text(guest, "state"));
	line("debugger", json_is_true(json_object_get(guest, "stopped"))    ? "attached, and has stopped it"
			 : json_is_true(json_object_get(guest, "debugged")) ? "attached"
									    : "none");
	line("traced", json_is_true(json_object_get(guest, "traced")) ? "yes" : "no");
	line("needs memory",
	     json_is_true(json_object_get(guest, "needs_memory")) ? "yes, and waits: the pool is full" : "no");
	line("parked", json_is_true(json_object_get(guest, "parked")) ? "yes" : "no");
	line("ready", json_is_true(json_object_get(guest, "ready")) ? "yes" : "no");
	line_number("exit code", answer_number(guest, "exit_code"));
	line_number("restarts", answer_number(guest, "restarts"));
	bool clone = json_is_string(json_object_get(guest, "template"));
	line(clone ? "template" : "image", answer_text(guest, clone ? "template" : "image"));
	line("domain", answer_text(guest, "domain"));
	print_ports(guest);
	line("backend", answer_text(guest, "backend"));
	line_number("cell", answer_number(guest, "cell"));
	line_number("worker", answer_number(guest, "worker"));
	snprintf(text, sizeof text, "%s of %s", units_size(used, answer_number(guest, "used_bytes")),
		 units_size(quota, answer_number(guest, "memory_bytes")));
	line("memory", text);
	print_account(json_object_get(guest, "account"));
	line_number("weight", answer_number(guest, "weight"));
	line("cpu max", answer_text(guest, "cpu_max"));
	print_times(guest);
	print_counters(guest);
	char *spec = json_dumps(json_object_get(guest, "spec"), JSON_INDENT(2));
	printf("spec\n%s\n", spec ? spec : "null");
	free(spec);
	if (*report)
		printf("last crash\n%s%s", report, report[strlen(report) - 1] == '\n' ? "" : "\n");
}

static void print_next(const json_t *guest, size_t before)
{
	if (before)
		puts("");
	print_guest(guest);
}

static int show(struct client *client, const struct selection *s, bool json)
{
	json_t *all = json_array();
	int result = selection_fetch(s, client, all, json ? NULL : print_next);
	if (json)
		answer_print(all);
	json_decref(all);
	return result;
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = {
		COMMON_OPTIONS, {"all", no_argument, NULL, 'a'}, {"json", no_argument, NULL, 'j'}, {0}};
	bool all = false, json = false;
	int option;
	while ((option = getopt_long(argc, argv, "ah", longs, NULL)) != -1) {
		if (option == 'a')
			all = true;
		else if (option == 'j')
			json = true;
		else
			command_option(&cmd_inspect, option == 'h' ? OPTION_HELP : option);
	}
	selection_check(&cmd_inspect, argc - optind, all);
	struct client *client = client_open();
	if (!client)
		return EXIT_FAILED;
	struct selection s;
	int result = selection_make(&s, client, argv + optind, argc - optind, all);
	if (result == 0)
		result = show(client, &s, json);
	selection_free(&s);
	client_close(client);
	return result;
}

const struct command cmd_inspect = {"inspect", "show all that is known of guests", help, run};
