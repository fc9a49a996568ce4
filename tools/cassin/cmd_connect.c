/* SPDX-License-Identifier: MIT */
/* cassin connect: standard input and output as a client of a guest's port. */
#include <stdlib.h>
#include <unistd.h>

#include "../common/client.h"
#include "../common/command.h"
#include "relay.h"

static const char help[] =
	"Usage: cassin connect [OPTION]... NAME PORT\n"
	"Connects stdin and stdout to a port on which a guest listens. The guest needs no port of\n"
	"the host for that. When stdin ends, the sending side is closed; the command ends when the\n"
	"guest closes its side. A guest that boots has 10 s to listen; one that does not listen\n"
	"refuses, which is said on stderr.\n"
	"\n"
	"Exit code: 0, or 1: no such guest, or it does not run or does not listen there; 2 usage.\n"
	"\n"
	"  --socket PATH   the daemon's socket\n"
	"\n"
	"Examples:\n"
	"  cassin connect echo 7\n"
	"  printf 'GET /status HTTP/1.0\\r\\n\\r\\n' | cassin connect web-3 80\n";

static int run(int argc, char **argv)
{
	static const struct option longs[] = {COMMON_OPTIONS, {0}};
	int option;
	while ((option = getopt_long(argc, argv, "h", longs, NULL)) != -1)
		command_option(&cmd_connect, option == 'h' ? OPTION_HELP : option);
	if (argc - optind != 2)
		command_usage(&cmd_connect, "give a guest's name and a port");
	char *end;
	unsigned long port = strtoul(argv[optind + 1], &end, 10);
	if (argv[optind + 1][0] < '0' || argv[optind + 1][0] > '9' || *end || !port || port > 65535)
		command_usage(&cmd_connect, "%s: must be a port from 1 to 65535", argv[optind + 1]);
	int fd = client_gateway();
	if (fd < 0)
		return EXIT_FAILED;
	int result = relay_ask(fd, argv[optind], argv[optind + 1]);
	if (result == EXIT_OK)
		result = relay_pump(fd);
	close(fd);
	return result;
}

const struct command cmd_connect = {"connect", "connect stdio to a guest's port", help, run};
