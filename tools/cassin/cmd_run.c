/* SPDX-License-Identifier: MIT */
/* cassin run: one guest in the foreground, without a daemon. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foreground.h"
#include "spec_options.h"

static const char help[] =
	"Usage: cassin run [OPTION]... IMAGE [ARG...]\n"
	"       cassin run [OPTION]... --spec FILE\n"
	"Runs one guest in the foreground, without a daemon, its console on stdin and stdout.\n"
	"\n"
	"  -p HOST:GUEST       the guest's port GUEST is on the host's port HOST, at 127.0.0.1;\n"
	"                      also ADDR:HOST:GUEST and unix:PATH:GUEST\n"
	"  --name NAME         the guest's name (default: the image's base name)\n" SPEC_OPTIONS_HELP
	"  --gdb PORT          stop before the first instruction and wait for GDB on this port of\n"
	"                      127.0.0.1; 0: any that is free, named on stderr\n"
	"  --trace[=FILE]      show what the guest asks of the hypervisor, from its first instruction,\n"
	"                      on stderr or in a file that is made or emptied; see cassin help trace\n"
	"  --workers N         host threads that run the guest (default 1; 0: one per CPU)\n"
	"  --backend WHAT      kvm, process (guests in traced processes, without KVM) or auto: KVM\n"
	"                      where it opens, else process (default: $CASSIN_BACKEND, or auto)\n"
	"  --sandbox MODE      on (default): system calls that running a guest does not need end\n"
	"                      the command; log: they are only logged by the kernel; off\n"
	"\n"
	"Options end at IMAGE: what follows it is the guest's. Ctrl-C asks the guest to end and\n"
	"kills it after 2 s; a second Ctrl-C kills it at once. A crash is reported on stderr.\n"
	"\n"
	"Exit code: the guest's own; 134 it crashed, 137 it was killed, 130 Ctrl-C, 143 TERM,\n"
	"129 HUP, 141 nobody reads its output, 125 it could not be started, 2 usage, 1 its output\n"
	"or its trace cannot be written.\n"
	"\n"
	"Examples:\n"
	"  cassin run build/examples/hello.elf\n"
	"  cassin run -p 8080:80 build/examples/http.elf\n"
	"  cassin run --gdb 1234 build/examples/kv.elf\n"
	"  cassin run --trace=hello.trace build/examples/hello.elf\n"
	"  cassin run --memory 1M --isolation vm build/examples/clock.elf 10\n";

static unsigned number_of(const char *option, const char *text, unsigned most)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || number > most)
		command_usage(&cmd_run, "%s %s: must be a number from 0 to %u", option, text, most);
	return (unsigned)number;
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = {COMMON_OPTIONS,
					      SPEC_OPTIONS,
					      {"workers", required_argument, NULL, 'w'},
					      {"gdb", required_argument, NULL, 'g'},
					      {"trace", optional_argument, NULL, 't'},
					      {"sandbox", required_argument, NULL, 's'},
					      {"backend", required_argument, NULL, 'b'},
					      {0}};
	struct spec_options o = {0};
	struct cassin_error_text err = {""};
	struct cassin_guest_spec spec;
	struct foreground_options how = {.workers = 1, .sandbox = cassin_sandbox_mode_default()};
	int option;
	while ((option = getopt_long(argc, argv, "+hp:", longs, NULL)) != -1) {
		if (spec_options_take(&cmd_run, &o, option, optarg))
			continue;
		if (option == 'w') {
			how.workers = number_of("--workers", optarg, 64);
		} else if (option == 'g') {
			how.gdb = true;
			how.gdb_port = number_of("--gdb", optarg, 65535);
		} else if (option == 't') {
			if (optarg && !*optarg)
				command_usage(&cmd_run, "--trace=: name a file, or write --trace alone");
			how.trace = true;
			how.trace_path = optarg;
		} else if (option == 's') {
			if (cassin_sandbox_mode_parse(optarg, &how.sandbox) < 0)
				command_usage(&cmd_run, "--sandbox %s: must be on, log or off", optarg);
		} else if (option == 'b') {
			command_backend(&cmd_run, optarg);
		} else {
			command_option(&cmd_run, option == 'h' ? OPTION_HELP : option);
		}
	}
	if (optind == argc && !o.spec)
		command_usage(&cmd_run, "name an image, or a spec with --spec");
	int result = spec_options_apply(&cmd_run, &o, argv + optind, &spec, NULL, NULL, &err);
	if (result == 0 && spec.from_template)
		result = cassin_error_set(&err, -EINVAL, "template: there are none without a daemon; use cassin spawn");
	if (result == 0)
		result = foreground_run(&spec, &how);
	else
		result = (command_failed("%s", err.text), EXIT_CANNOT_SPAWN);
	cassin_spec_free(&spec);
	return result;
}

const struct command cmd_run = {"run", "run one guest in the foreground, without a daemon", help, run};
