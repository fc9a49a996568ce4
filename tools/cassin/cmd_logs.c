/* SPDX-License-Identifier: MIT */
/* cassin logs: consoles, as far as they are kept, and as they go on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "select.h"

static const char help[] =
	"Usage: cassin logs [OPTION]... NAME|GLOB...\n"
	"Prints what guests wrote to their consoles. The daemon keeps the last 16 KiB of each;\n"
	"what is no longer there is counted on stderr.\n"
	"\n"
	"  -f, --follow    go on until the guest ends (one guest)\n"
	"  -a, --all       every guest\n"
	"  --socket PATH   the daemon's socket\n"
	"\n"
	"Several guests' output is printed one after the other, under a line with the name.\n"
	"\n"
	"Examples:\n"
	"  cassin logs web-3\n"
	"  cassin logs -f db\n"
	"  cassin logs 'web-*' | less\n";

static void print_piece(void *opaque, const char *bytes, size_t len)
{
	(void)opaque;
	fwrite(bytes, 1, len, stdout);
	command_flush();
}

static int print_log(struct client *client, const char *name, bool follow, bool titled)
{
	struct response r;
	char *target = client_guest_target(name, follow ? "/log?follow=1" : "/log");
	int result = target ? client_request(client, "GET", target, NULL, follow ? print_piece : NULL, NULL, &r) : -1;
	free(target);
	if (result < 0)
		return EXIT_FAILED;
	if (r.status >= 400) {
		client_report_error(&r, NULL);
		free(r.body);
		return EXIT_FAILED;
	}
	if (titled)
		printf("==> %s <==\n", name);
	if (r.log_lost) {
		fflush(stdout);
		fprintf(stderr, "cassin: %s: the first %llu bytes are no longer kept\n", name,
			(unsigned long long)r.log_lost);
	}
	if (r.len)
		print_piece(NULL, r.body, r.len);
	if (titled && r.len && r.body[r.len - 1] != '\n')
		putchar('\n');
	free(r.body);
	return follow && r.truncated ? command_failed("the daemon ended") : EXIT_OK;
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = {
		COMMON_OPTIONS, {"all", no_argument, NULL, 'a'}, {"follow", no_argument, NULL, 'f'}, {0}};
	bool all = false, follow = false;
	int option;
	while ((option = getopt_long(argc, argv, "afh", longs, NULL)) != -1) {
		if (option == 'a')
			all = true;
		else if (option == 'f')
			follow = true;
		else
			command_option(&cmd_logs, option == 'h' ? OPTION_HELP : option);
	}
	selection_check(&cmd_logs, argc - optind, all);
	struct client *client = client_open();
	if (!client)
		return EXIT_FAILED;
	struct selection s;
	int result = selection_make(&s, client, argv + optind, argc - optind, all);
	if (result == 0 && follow && s.count != 1)
		command_usage(&cmd_logs, "--follow takes one guest, not %zu", s.count);
	bool titled = s.count > 1;
	for (size_t i = 0; i < s.count; i++)
		if (print_log(client, s.names[i], follow, titled))
			result = EXIT_FAILED;
	selection_free(&s);
	client_close(client);
	return result;
}

const struct command cmd_logs = {"logs", "print what guests wrote to their consoles", help, run};
