/* SPDX-License-Identifier: MIT */
/* What all subcommands do alike: options that each takes, mistakes, output that cannot be written. */
#include "command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cassin/engine.h>

const char *command_socket;

/* As one line without control characters, whatever the arguments were. */
static void say(const char *format, va_list args)
{
	char text[2 * sizeof(struct cassin_error_text)];
	struct cassin_error_text line;
	vsnprintf(text, sizeof text, format, args);
	cassin_error_set(&line, 0, "%s", text);
	fputs(line.text, stderr);
}

void command_usage(const struct command *c, const char *format, ...)
{
	va_list args;
	fprintf(stderr, "cassin %s: ", c->name);
	va_start(args, format);
	say(format, args);
	va_end(args);
	fprintf(stderr, "\nTry: cassin help %s\n", c->name);
	exit(EXIT_USAGE);
}

int command_failed(const char *format, ...)
{
	va_list args;
	fputs("cassin: ", stderr);
	va_start(args, format);
	say(format, args);
	va_end(args);
	fputc('\n', stderr);
	return EXIT_FAILED;
}

void command_option(const struct command *c, int option)
{
	if (option == OPTION_SOCKET) {
		command_socket = optarg;
	} else if (option == OPTION_HELP) {
		fputs(c->help, stdout);
		command_flush();
		exit(EXIT_OK);
	} else {
		fprintf(stderr, "Try: cassin help %s\n", c->name);
		exit(EXIT_USAGE);
	}
}

bool command_json_only(const struct command *c, int argc, char **argv)
{
	static const struct option longs[] = {COMMON_OPTIONS, {"json", no_argument, NULL, 'j'}, {0}};
	bool json = false;
	int option;
	while ((option = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (option == 'j')
			json = true;
		else
			command_option(c, option == 'h' ? OPTION_HELP : option);
	}
	if (optind < argc)
		command_usage(c, "unexpected argument: %s", argv[optind]);
	return json;
}

int command_output_failed(int error)
{
	if (error != EPIPE)
		command_failed("cannot write to standard output: %s",
			       error == EBADF ? "it is closed" : strerror(error ? error : EIO));
	return EXIT_FAILED;
}

void command_flush(void)
{
	errno = 0;
	if (fflush(stdout))
		exit(command_output_failed(errno));
}

void command_backend(const struct command *c, const char *word)
{
	enum cassin_backend backend;
	if (cassin_backend_parse(word, &backend) < 0)
		command_usage(c, "--backend %s: must be auto, kvm or process", word);
	setenv("CASSIN_BACKEND", word, 1);
}
