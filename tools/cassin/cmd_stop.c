/* SPDX-License-Identifier: MIT */
/* cassin stop: guests are asked to end, and waited for. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "select.h"

#define GRACE_MAX 3600
#define POLL_US 20000

static const char help[] =
	"Usage: cassin stop [OPTION]... NAME|GLOB...\n"
	"Asks guests to end, and waits until they have: their console input ends and they are given\n"
	"no more connections. One that still runs after the grace time is killed.\n"
	"\n"
	"  -t, --grace S   seconds to wait before the kill (default 5)\n"
	"  -a, --all       every guest\n"
	"  --no-wait       return at once\n"
	"  --socket PATH   the daemon's socket\n"
	"\n"
	"Prints the names of those that have ended. They stay listed until removed (cassin rm).\n"
	"\n"
	"Examples:\n"
	"  cassin stop web-3\n"
	"  cassin stop -t 30 db\n"
	"  cassin stop --all\n";

struct stopping {
	const char *grace;
	bool all, no_wait;
};

static bool has_ended(const json_t *guest)
{
	const char *state = answer_text(guest, "state");
	return !strcmp(state, "exited") || !strcmp(state, "crashed") || !strcmp(state, "killed");
}

/* The daemon kills what outlives its grace, so this ends. */
static int await_end(struct client *client, const char *name)
{
	char *target = client_guest_target(name, "");
	for (;;) {
		struct response r;
		if (!target || client_request(client, "GET", target, NULL, NULL, NULL, &r) < 0) {
			free(target);
			return EXIT_FAILED;
		}
		json_t *guest = json_loads(r.body ? r.body : "", 0, NULL);
		bool ended = r.status == 404 || has_ended(guest);
		json_decref(guest);
		free(r.body);
		if (ended)
			break;
		usleep(POLL_US);
	}
	free(target);
	puts(name);
	return EXIT_OK;
}

/* A guest that is gone is a failure only if it was named. */
static int ask(struct client *client, const char *name, const char *grace, bool named, bool *gone)
{
	char suffix[64];
	snprintf(suffix, sizeof suffix, "/stop?grace_ms=%lu", strtoul(grace, NULL, 10) * 1000);
	char *target = client_guest_target(name, suffix);
	struct response r;
	int result = target ? client_request(client, "POST", target, NULL, NULL, NULL, &r) : -1;
	free(target);
	if (result < 0)
		return EXIT_FAILED;
	*gone = r.status == 404;
	result = r.status >= 400 && (named || !*gone) ? client_report_error(&r, NULL) : EXIT_OK;
	free(r.body);
	return result;
}

static int stop_all(struct client *client, const struct selection *s, const struct stopping *how)
{
	bool *asked = calloc(s->count + 1, sizeof *asked);
	int result = asked ? EXIT_OK : EXIT_FAILED;
	for (size_t i = 0; asked && i < s->count; i++) {
		bool gone = false;
		int failed = ask(client, s->names[i], how->grace, i < s->named, &gone);
		asked[i] = !failed && !gone;
		if (failed)
			result = EXIT_FAILED;
	}
	for (size_t i = 0; asked && !how->no_wait && i < s->count; i++)
		if (asked[i] && await_end(client, s->names[i]))
			result = EXIT_FAILED;
	free(asked);
	return result;
}

static void parse(struct stopping *how, int argc, char **argv)
{
	static const struct option longs[] = {
		COMMON_OPTIONS,
		{"all", no_argument, NULL, 'a'},
		{"grace", required_argument, NULL, 't'},
		{"no-wait", no_argument, NULL, OPTION_OWN},
		{0},
	};
	int option;
	while ((option = getopt_long(argc, argv, "aht:", longs, NULL)) != -1) {
		if (option == 'a')
			how->all = true;
		else if (option == 't')
			how->grace = optarg;
		else if (option == OPTION_OWN)
			how->no_wait = true;
		else
			command_option(&cmd_stop, option == 'h' ? OPTION_HELP : option);
	}
	char *end;
	unsigned long grace = strtoul(how->grace, &end, 10);
	if (*how->grace < '0' || *how->grace > '9' || *end || grace > GRACE_MAX)
		command_usage(&cmd_stop, "-t %s: must be seconds, from 0 to %d", how->grace, GRACE_MAX);
	selection_check(&cmd_stop, argc - optind, how->all);
}

static int run(int argc, char **argv)
{
	struct stopping how = {.grace = "5"};
	parse(&how, argc, argv);
	struct client *client = client_open();
	if (!client)
		return EXIT_FAILED;
	struct selection s;
	int result = selection_make(&s, client, argv + optind, argc - optind, how.all);
	if (result == 0)
		result = stop_all(client, &s, &how);
	selection_free(&s);
	client_close(client);
	return result;
}

const struct command cmd_stop = {"stop", "ask guests to end", help, run};
