/* SPDX-License-Identifier: MIT */
/* cassin restart. */
#include "select.h"

static const char help[] =
	"Usage: cassin restart [OPTION]... NAME|GLOB...\n"
	"Ends guests if they run, and starts them again with the same spec, ports and name.\n"
	"\n"
	"  -a, --all       every guest\n"
	"  --socket PATH   the daemon's socket\n"
	"\n"
	"Prints the names of those it worked for; fails if it did not for any.\n"
	"\n"
	"Examples:\n"
	"  cassin restart web-3\n"
	"  cassin restart 'web-*' db\n"
	"  cassin restart --all\n";

static int run(int argc, char **argv)
{
	return select_and_request(&cmd_restart, argc, argv, "POST", "/restart");
}

const struct command cmd_restart = {"restart", "end guests if they run, and start them again", help, run};
