/* SPDX-License-Identifier: MIT */
#include "api.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/command.h"
#include "../common/socket_path.h"
#include "leftovers.h"
#include "../common/resource.h"

#define START_MS 10000
#define STOP_MS 60000
#define ARGUMENTS_MAX 16

/* The log's last line: why the daemon has ended. */
static void last_line(const char *path, char *line, size_t size)
{
	char text[256];
	FILE *f = fopen(path, "re");
	*line = '\0';
	while (f && fgets(text, sizeof text, f))
		snprintf(line, size, "%.*s", (int)strcspn(text, "\n"), text);
	if (f)
		fclose(f);
}

static int await_socket(struct private_daemon *d, struct system *s)
{
	char fate[48], line[160];
	for (unsigned ms = 0; ms < START_MS; ms += 5) {
		int fd = socket_path_connect(d->socket);
		if (fd >= 0) {
			close(fd);
			return 0;
		}
		if (child_ended(&d->child)) {
			last_line(d->log, line, sizeof line);
			return system_failed(s, "cassind %s: %s", child_fate(&d->child, fate), line);
		}
		usleep(5000);
	}
	return system_failed(s, "cassind does not answer");
}

struct arguments {
	char *words[ARGUMENTS_MAX];
	unsigned count;
};

/* An option with its value, unless that is empty. */
static void add_option(struct arguments *a, const char *option, const char *value)
{
	if (!*value)
		return;
	a->words[a->count++] = (char *)(uintptr_t)option;
	a->words[a->count++] = (char *)(uintptr_t)value;
}

static const char *number_or_none(unsigned n, char text[16])
{
	snprintf(text, 16, "%u", n);
	return n ? text : "";
}

int private_daemon_start(struct private_daemon *d, struct system *s)
{
	const struct scenario *scenario = &s->lab->scenario;
	char workers[16], park[16], swap[PATH_MAX] = "";
	*d = (struct private_daemon){.folder = ""};
	snprintf(d->folder, sizeof d->folder, "/tmp/" LEFTOVERS_NAME "%d-XXXXXX", (int)getpid());
	char *program = resource_program("cassind");
	if (!program || !mkdtemp(d->folder)) {
		free(program);
		return system_failed(s,
				     program ? "cannot make a temporary folder" : "cassind is not beside this program");
	}
	snprintf(d->socket, sizeof d->socket, "%s/d.sock", d->folder);
	snprintf(d->log, sizeof d->log, "%s/cassind.log", d->folder);
	if (*scenario->swap) /* beside the report: a folder for temporary files may be memory itself */
		snprintf(swap, sizeof swap, "%s/.swap", s->lab->out);
	struct arguments a = {.words = {program}, .count = 1};
	add_option(&a, "--socket", d->socket);
	add_option(&a, "--workers", number_or_none(scenario->workers, workers));
	add_option(&a, "--pool", scenario->pool);
	add_option(&a, "--park", number_or_none(scenario->park_s, park));
	add_option(&a, "--swap", swap);
	add_option(&a, "--swap-size", scenario->swap);
	int log = open(d->log, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	int result = child_start(&d->child, a.words, false, log, s->memory.procs);
	close(log);
	free(program);
	if (result < 0)
		return system_failed(s, "cannot start cassind: %s", strerror(-result));
	result = await_socket(d, s);
	command_socket = d->socket;
	if (result == 0 && !(d->client = client_open()))
		result = system_failed(s, "cannot connect to cassind");
	return result;
}

void private_daemon_stop(struct private_daemon *d)
{
	if (d->client)
		client_close(d->client);
	d->client = NULL;
	child_stop(&d->child, SIGTERM, STOP_MS);
	if (!*d->log)
		return;
	leftovers_folder(d->folder);
}

json_t *api_ask(struct private_daemon *d, struct system *s, const char *method, const char *target, json_t *body,
		unsigned *status)
{
	struct response r = {0};
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	json_t *answer = NULL;
	json_decref(body);
	*status = 0;
	if (client_request(d->client, method, target, text, NULL, NULL, &r) < 0 || r.truncated) {
		char fate[48];
		usleep(20000);
		if (child_ended(&d->child))
			system_failed(s, "cassind %s", child_fate(&d->child, fate));
		else
			system_failed(s, "cassind does not answer %s %s", method, target);
	} else {
		char *last = r.body ? r.body : (char *)"";
		size_t len = strlen(last);
		*status = r.status;
		while (len && last[len - 1] == '\n')
			last[--len] = '\0';
		char *newline = strrchr(last, '\n');
		answer = json_loads(newline ? newline + 1 : last, 0, NULL);
		const char *error = json_string_value(json_object_get(answer, "error"));
		if (r.status >= 400 || !answer) {
			system_failed(s, "%s %s: %s", method, target, error ? error : "an answer that is no JSON");
			json_decref(answer);
			answer = NULL;
		}
	}
	free(text);
	free(r.body);
	return answer;
}
