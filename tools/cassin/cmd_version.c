/* SPDX-License-Identifier: MIT */
/* cassin version: of the command, and of the daemon if one runs. */
#include <cassin/engine.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../common/socket_path.h"
#include "answer.h"
#include "../common/client.h"
#include "../common/command.h"

static const char help[] =
	"Usage: cassin version [OPTION]...\n"
	"Prints the version of this program, and of the daemon if one answers.\n"
	"\n"
	"  --json          one JSON document\n"
	"  --socket PATH   the daemon's socket\n"
	"\n"
	"Example:\n"
	"  cassin version --json | jq -r .client\n";

/* No daemon is no failure here, so it is looked for before a client would complain. */
static json_t *daemon_version(void)
{
	struct socket_path path;
	if (socket_path_resolve(command_socket, &path, NULL) < 0)
		return NULL;
	int fd = socket_path_connect(path.api);
	if (fd < 0)
		return NULL;
	close(fd);
	struct client *c = client_open();
	json_t *o = c ? client_json(c, "GET", "/v1/version", NULL) : NULL;
	if (c)
		client_close(c);
	return o;
}

static int run(int argc, char **argv)
{
	bool json = command_json_only(&cmd_version, argc, argv);
	json_t *daemon = daemon_version();
	if (json) {
		json_t *o = json_pack("{s:s, s:o}", "client", CASSIN_VERSION, "daemon", daemon ? daemon : json_null());
		answer_print(o);
		json_decref(o);
		return EXIT_OK;
	}
	puts("cassin " CASSIN_VERSION);
	if (daemon)
		printf("cassind %s (API %u, process %u, backend %s)\n", answer_text(daemon, "version"),
		       (unsigned)answer_number(daemon, "api"), (unsigned)answer_number(daemon, "pid"),
		       answer_text(daemon, "backend"));
	json_decref(daemon);
	return EXIT_OK;
}

const struct command cmd_version = {"version", "print the versions of program and daemon", help, run};
