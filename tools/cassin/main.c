/* SPDX-License-Identifier: MIT */
/* cassin: finds the subcommand. */
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../common/descriptors.h"
#include "../common/command.h"

static const struct command *const commands[] = {
	&cmd_run,     &cmd_spawn,    &cmd_ps,    &cmd_inspect,     &cmd_logs,    &cmd_stop,    &cmd_kill,
	&cmd_restart, &cmd_rm,       &cmd_stats, &cmd_top,         &cmd_connect, &cmd_debug,   &cmd_trace,
	&cmd_density, &cmd_template, &cmd_new,   &cmd_conformance, &cmd_doctor,  &cmd_version,
};

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static void overview(FILE *out)
{
	fputs("Usage: cassin [--socket PATH] COMMAND [ARG...]\n"
	      "Runs tiny virtual machines, one in the foreground or thousands in a daemon (cassind).\n\n"
	      "Commands:\n",
	      out);
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		fprintf(out, "  %-11s %s\n", commands[i]->name, commands[i]->summary);
	fputs("  help        explain a command: cassin help spawn\n\n"
	      "Examples:\n"
	      "  cassin run build/examples/hello.elf\n"
	      "  cassind & cassin spawn -n 500 -p 8000+:80 build/examples/http.elf\n"
	      "  curl http://127.0.0.1:8042/status\n"
	      "  cassin rm --all\n",
	      out);
}

static int help(const char *name)
{
	if (name && !strcmp(name, "help"))
		name = NULL;
	const struct command *c = name ? command_find(name) : NULL;
	if (c)
		fputs(c->help, stdout);
	else if (!name)
		overview(stdout);
	else
		command_failed("no command is named \"%s\"", name);
	if (name && !c)
		fputs("Try: cassin help\n", stderr);
	return name && !c ? EXIT_USAGE : EXIT_OK;
}

/* Output that could not be written is no success. Where an earlier write failed and the last one has nothing to do, errno may
 * still tell why; what only looks at files leaves none of these there. */
static int finish(int result)
{
	int before = errno;
	errno = 0;
	if (fflush(stdout) == 0 && !ferror(stdout))
		return result;
	bool said = before == ENOSPC || before == EDQUOT || before == EFBIG || before == EPIPE || before == EBADF;
	int failed = command_output_failed(errno ? errno : said ? before : 0);
	return result ? result : failed;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {COMMON_OPTIONS, {"version", no_argument, NULL, 'V'}, {0}};
	int option;
	descriptors_standard();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* RLIMIT_FSIZE: an error, as a full disk is */
	while ((option = getopt_long(argc, argv, "+hV", longs, NULL)) != -1) {
		if (option == OPTION_SOCKET) {
			command_socket = optarg;
		} else if (option == 'h' || option == OPTION_HELP) {
			return finish(help(NULL));
		} else if (option == 'V') {
			optind = 0;
			return finish(cmd_version.run(1, argv));
		} else {
			fputs("Try: cassin help\n", stderr);
			return EXIT_USAGE;
		}
	}
	if (optind == argc) {
		overview(stderr);
		return EXIT_USAGE;
	}
	char **rest = argv + optind;
	int nrest = argc - optind;
	if (!strcmp(rest[0], "help"))
		return finish(help(nrest > 1 ? rest[1] : NULL));
	const struct command *c = command_find(rest[0]);
	if (!c)
		return help(rest[0]);
	char name[32];
	snprintf(name, sizeof name, "cassin %s", c->name);
	rest[0] = name; /* what getopt says begins as all else does */
	optind = 0;
	return finish(c->run(nrest, rest));
}
