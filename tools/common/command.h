/* SPDX-License-Identifier: MIT */
/* A subcommand: one cmd_NAME.c each. */
#ifndef COMMAND_H
#define COMMAND_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>

enum exit_code {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_CANNOT_SPAWN = 125, /* `cassin run`: the guest could not be started */
	EXIT_CRASHED = 134,
	EXIT_KILLED = 137,
};

struct command {
	const char *name, *summary;
	const char *help; /* usage line(s), options, examples */
	int (*run)(int argc, char **argv);
};

extern const struct command cmd_run, cmd_spawn, cmd_ps, cmd_inspect, cmd_logs, cmd_stop, cmd_kill, cmd_restart, cmd_rm,
	cmd_stats, cmd_top, cmd_connect, cmd_debug, cmd_trace, cmd_density, cmd_template, cmd_new, cmd_conformance,
	cmd_doctor, cmd_version;

/* What every subcommand takes. */
enum { OPTION_SOCKET = 1000, OPTION_HELP, OPTION_OWN };
#define COMMON_OPTIONS                                                                                                 \
	{"socket", required_argument, NULL, OPTION_SOCKET},                                                            \
	{                                                                                                              \
		"help", no_argument, NULL, OPTION_HELP                                                                 \
	}

/* Deals with the options above; for what is no option, tells and ends with EXIT_USAGE. */
void command_option(const struct command *c, int option);
/* The whole line of a command that takes nothing but --json: whether that is there. Ends with EXIT_USAGE for anything else. */
bool command_json_only(const struct command *c, int argc, char **argv);
/* A mistake in the arguments: one line, where help is, EXIT_USAGE. */
_Noreturn void command_usage(const struct command *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line on stderr; returns EXIT_FAILED. */
int command_failed(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Says that standard output takes no more, for this errno; nothing of a reader that has seen enough. Returns EXIT_FAILED. */
int command_output_failed(int error);
/* Takes the word of --backend: puts it where this program's engine finds it, and those of programs that it starts. */
void command_backend(const struct command *c, const char *word);
/* Writes out what is buffered for standard output; where it takes no more, says so and exits. */
void command_flush(void);

/* From --socket; NULL: the default. */
extern const char *command_socket;

#endif
