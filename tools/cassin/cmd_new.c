/* SPDX-License-Identifier: MIT */
/* cassin new: a project to begin with. */
#include <cassin/abi.h>
#include <cassin/spec.h>
#include <stdio.h>
#include <stdlib.h>

#include "../common/resource.h"
#include "../common/command.h"
#include "project.h"

static const char help[] =
	"Usage: cassin new [--kernel] NAME\n"
	"Makes a folder NAME with a guest to begin with: source, Makefile, spec and README.\n"
	"It builds and runs as it is. NAME is also the guest's name.\n"
	"\n"
	"Without an option: a small web service in C on guest-lib, built by cassin-cc.\n"
	"  --kernel        a kernel of your own, on nothing but the ABI's header: threads,\n"
	"                  address spaces and user programs, built by any C compiler\n"
	"\n"
	"Example:\n"
	"  cassin new shop && cd shop && make && make run\n";

static int run(int argc, char **argv)
{
	static const struct option longs[] = {COMMON_OPTIONS, {"kernel", no_argument, NULL, OPTION_OWN}, {0}};
	const char *kind = "service";
	int option;
	while ((option = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (option == OPTION_OWN)
			kind = "kernel";
		else
			command_option(&cmd_new, option == 'h' ? OPTION_HELP : option);
	}
	if (optind + 1 != argc)
		command_usage(&cmd_new, optind == argc ? "name the project" : "unexpected argument: %s",
			      argv[optind + (optind < argc)]);
	const char *name = argv[optind];
	if (!cassin_name_valid(name))
		command_usage(&cmd_new,
			      "\"%.80s\": must be letters, digits, '.', '_' and '-', at most %d, the first a letter or "
			      "a digit",
			      name, CASSIN_NAME_MAX);
	char *mould = resource_mould(kind);
	if (!mould)
		return command_failed("new: there is no folder new/%s beside this program or where it was installed",
				      kind);
	bool made = project_make(mould, name);
	free(mould);
	if (!made)
		return EXIT_FAILED;
	printf("%s: a %s. Next: cd %s && make && make run\n", name, kind, name);
	return EXIT_OK;
}

const struct command cmd_new = {"new", "make a project to begin with", help, run};
