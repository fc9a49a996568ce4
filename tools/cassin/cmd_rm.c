/* SPDX-License-Identifier: MIT */
/* cassin rm. */
#include "select.h"

static const char help[] =
	"Usage: cassin rm [OPTION]... NAME|GLOB...\n"
	"Ends guests if they run, and forgets them: their names, ports and logs are free.\n"
	"\n"
	"  -a, --all       every guest\n"
	"  --socket PATH   the daemon's socket\n"
	"\n"
	"Prints the names of those it worked for; fails if it did not for any.\n"
	"\n"
	"Examples:\n"
	"  cassin rm web-3\n"
	"  cassin rm 'web-*' db\n"
	"  cassin rm --all\n";

static int run(int argc, char **argv)
{
	return select_and_request(&cmd_rm, argc, argv, "DELETE", "");
}

const struct command cmd_rm = {"rm", "end guests and forget them", help, run};
