/* SPDX-License-Identifier: MIT */
/* cassin stats: counters and memory, of the daemon or of guests. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "select.h"
#include "table.h"
#include "units.h"

static const char help[] =
	"Usage: cassin stats [OPTION]... [NAME|GLOB]...\n"
	"Shows what the whole daemon, or each of the guests named, has done.\n"
	"\n"
	"  -a, --all       every guest, one a line\n"
	"  --json          one JSON document: the totals, or an array of guests\n"
	"  --socket PATH   the daemon's socket\n"
	"\n"
	"VIRTUAL is the time a guest has spent on a CPU; REFUSING, how many of its host's ports\n"
	"refuse clients, as it does not listen there.\n"
	"\n"
	"Examples:\n"
	"  cassin stats\n"
	"  cassin stats 'web-*'\n"
	"  cassin stats --json | jq .used_frames\n";

static void print_totals(const json_t *stats)
{
	json_t *value;
	const char *key;
	char units[UNITS_MAX];
	printf("%-20s %s\n", "backend", answer_text(stats, "backend"));
	json_object_foreach ((json_t *)stats, key, value) {
		uint64_t n = (uint64_t)json_integer_value(value);
		size_t len = strlen(key);
		if (!json_is_integer(value))
			continue;
		if (len > 7 && !strcmp(key + len - 7, "_frames"))
			printf("%-20s %llu (%s)\n", key, (unsigned long long)n, units_size(units, n * 4096));
		else if (len > 6 && !strcmp(key + len - 6, "_bytes"))
			printf("%-20.*s %s\n", (int)len - 6, key, units_size(units, n));
		else if (len > 3 && !strcmp(key + len - 3, "_ns"))
			printf("%-20.*s %s\n", (int)len - 3, key, units_time(units, n));
		else
			printf("%-20s %llu\n", key, (unsigned long long)n);
	}
}

/* Memory by what it is used for; what there is none of is left out. */
static void print_account(const char *head, const json_t *account)
{
	json_t *value;
	const char *key;
	char units[UNITS_MAX];
	printf("%-20s %s\n", head, units_size(units, answer_number(account, "total")));
	json_object_foreach ((json_t *)account, key, value) {
		if (json_integer_value(value) && strcmp(key, "total") != 0)
			printf("  %-18s %s\n", key, units_size(units, (uint64_t)json_integer_value(value)));
	}
}

static void print_memory(const json_t *stats)
{
	json_t *domains = json_object_get(stats, "domains"), *account;
	const char *name;
	print_account("memory", json_object_get(stats, "account"));
	if (json_object_size(domains) < 2)
		return;
	json_object_foreach (domains, name, account) {
		char head[96];
		snprintf(head, sizeof head, "domain %s", name);
		print_account(head, account);
	}
}

static void print_all(const json_t *stats)
{
	print_totals(stats);
	print_memory(stats);
}

static void print_guests(const json_t *guests)
{
	static const char *const heads[] = {"NAME",    ">VIRTUAL",    ">EXITS",    ">HYPERCALLS",
					    ">FAULTS", ">OPERATIONS", ">ACCEPTED", ">IN",
					    ">OUT",    ">MEMORY",     ">REFUSING", NULL};
	static const char *const plain[] = {"exits",      "hypercalls", "faults",
					    "operations", "accepted",   "refusing_ports"};
	struct table t;
	json_t *guest;
	size_t i;
	table_init(&t, heads);
	json_array_foreach (guests, i, guest) {
		json_t *n = json_object_get(guest, "counters");
		char virtual[UNITS_MAX], numbers[6][24], in[UNITS_MAX], out[UNITS_MAX], memory[UNITS_MAX];
		for (size_t k = 0; k < 6; k++)
			snprintf(numbers[k], sizeof numbers[k], "%llu", (unsigned long long)answer_number(n, plain[k]));
		table_row(&t, (const char *const[]){
				      answer_text(guest, "name"), units_time(virtual, answer_number(n, "virtual_ns")),
				      numbers[0], numbers[1], numbers[2], numbers[3], numbers[4],
				      units_size(in, answer_number(n, "bytes_in")),
				      units_size(out, answer_number(n, "bytes_out")),
				      units_size(memory, answer_number(guest, "used_bytes")), numbers[5]});
	}
	table_print(&t);
}

static int totals(struct client *client, bool json)
{
	json_t *stats = client_json(client, "GET", "/v1/stats", NULL);
	if (!stats)
		return EXIT_FAILED;
	if (json)
		answer_print(stats);
	else
		print_all(stats);
	json_decref(stats);
	return EXIT_OK;
}

static int per_guest(struct client *client, const struct selection *s, bool json)
{
	json_t *guests = json_array();
	int result = selection_fetch(s, client, guests, NULL);
	if (json)
		answer_print(guests);
	else if (json_array_size(guests) || result == EXIT_OK)
		print_guests(guests);
	json_decref(guests);
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
			command_option(&cmd_stats, option == 'h' ? OPTION_HELP : option);
	}
	bool whole = !all && optind == argc;
	if (!whole)
		selection_check(&cmd_stats, argc - optind, all);
	struct client *client = client_open();
	if (!client)
		return EXIT_FAILED;
	struct selection s = {0};
	int result = whole ? totals(client, json) : selection_make(&s, client, argv + optind, argc - optind, all);
	if (!whole && result == 0)
		result = per_guest(client, &s, json);
	selection_free(&s);
	client_close(client);
	return result;
}

const struct command cmd_stats = {"stats", "show what the daemon and its guests have done", help, run};
