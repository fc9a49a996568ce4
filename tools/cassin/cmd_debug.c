/* SPDX-License-Identifier: MIT */
/* cassin debug: standard input and output as a debugger's connection, or GDB itself. */
#include <signal.h>
#include <unistd.h>

#include "../common/client.h"
#include "../common/command.h"
#include "relay.h"

static const char help[] =
	"Usage: cassin debug [OPTION]... NAME\n"
	"Connects stdin and stdout to the daemon's debugger for a guest, which speaks GDB's remote\n"
	"protocol. Meant for GDB, which starts it and ends it:\n"
	"\n"
	"  gdb IMAGE -ex 'target remote | cassin debug NAME'\n"
	"\n"
	"The guest stops when GDB connects, and runs on when GDB detaches, quits or dies; GDB's `kill`\n"
	"ends it. Other guests run on. A guest has one debugger at a time.\n"
	"\n"
	"  --socket PATH   the daemon's socket\n"
	"\n"
	"Examples:\n"
	"  gdb build/examples/http.elf -ex 'target remote | cassin debug web-3'\n"
	"  gdb -batch -ex 'target remote | cassin debug web-3' -ex bt build/examples/http.elf\n";

static int run(int argc, char **argv)
{
	static const struct option longs[] = {COMMON_OPTIONS, {0}};
	int option;
	while ((option = getopt_long(argc, argv, "h", longs, NULL)) != -1)
		command_option(&cmd_debug, option == 'h' ? OPTION_HELP : option);
	if (argc - optind != 1)
		command_usage(&cmd_debug, "name one guest");
	signal(SIGINT, SIG_IGN); /* Ctrl-C is GDB's, and stops the guest */
	int fd = client_gateway();
	if (fd < 0)
		return EXIT_FAILED;
	int result = relay_ask(fd, argv[optind], "gdb");
	if (result == EXIT_OK)
		result = relay_pump(fd);
	close(fd);
	return result;
}

const struct command cmd_debug = {"debug", "connect GDB to a guest of the daemon", help, run};
