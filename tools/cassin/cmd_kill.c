/* SPDX-License-Identifier: MIT */
/* cassin kill. */
#include "select.h"

static const char help[] =
	"Usage: cassin kill [OPTION]... NAME|GLOB...\n"
	"Ends guests at once, without asking them. They stay listed, as \"killed\", until\n"
	"removed; their restart policy does not bring them back.\n"
	"\n"
	"  -a, --all       every guest\n"
	"  --socket PATH   the daemon's socket\n"
	"\n"
	"Prints the names of those it worked for; fails if it did not for any.\n"
	"\n"
	"Examples:\n"
	"  cassin kill web-3\n"
	"  cassin kill 'web-*' db\n"
	"  cassin kill --all\n";

static int run(int argc, char **argv)
{
	return select_and_request(&cmd_kill, argc, argv, "POST", "/kill");
}

const struct command cmd_kill = {"kill", "end guests at once", help, run};
