/* SPDX-License-Identifier: MIT */
#include "run_trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../common/trace_json.h"
#include "../common/command.h"
#include "output.h"
#include "trace_view.h"

#define RECORDS_PIECE 64u
#define SOON_MS 1 /* while records come: the engine keeps 4096 of them */
#define LATER_MS 20

struct run_trace {
	const char *path; /* NULL: standard error */
	int fd;
	struct output *output;
	struct cassin_trace *trace; /* NULL: there is no guest */
	struct trace_text text;
};

struct run_trace *run_trace_open(const char *path, struct cassin_error_text *err)
{
	struct run_trace *t = calloc(1, sizeof *t);
	if (!t) {
		cassin_error_set(err, -ENOMEM, "no memory for the trace");
		return NULL;
	}
	tzset(); /* reads a file, which the sandbox will not */
	t->path = path;
	t->fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666) : STDERR_FILENO;
	if (t->fd >= 0)
		return t;
	cassin_error_set(err, -errno, "--trace=%s: %s", path, strerror(errno));
	free(t);
	return NULL;
}

static void broken(void *opaque)
{
	(void)opaque; /* the guest runs on; it is said at the end */
}

int run_trace_start(struct run_trace *t, const struct cassin_sandbox *sandbox)
{
	t->output = output_start(t->fd, "the trace", sandbox, broken, t);
	return t->output ? 0 : -ENOMEM;
}

void run_trace_follow(struct run_trace *t, struct cassin_trace *trace)
{
	t->trace = trace;
}

static void show(struct run_trace *t, json_t *event)
{
	if (event)
		trace_text_print(&t->text, event);
	json_decref(event);
}

/* Shows a piece. How many records it was. */
static size_t show_piece(struct run_trace *t)
{
	struct cassin_trace_record records[RECORDS_PIECE];
	uint64_t lost;
	char *lines = NULL;
	size_t len = 0, n = cassin_engine_trace_read(t->trace, records, RECORDS_PIECE, &lost);
	if (!n && !lost)
		return 0;
	t->text.out = open_memstream(&lines, &len);
	if (!t->text.out)
		return n;
	if (lost)
		show(t, trace_json_lost(lost));
	for (size_t i = 0; i < n; i++)
		show(t, trace_json(&records[i]));
	fclose(t->text.out);
	output_write(t->output, lines, len);
	free(lines);
	return n;
}

int run_trace_look(struct run_trace *t)
{
	size_t all = 0, n;
	while (all < CASSIN_TRACE_RECORDS_MAX && (n = show_piece(t)))
		all += n;
	return all ? SOON_MS : LATER_MS;
}

int run_trace_end(struct run_trace *t)
{
	if (t->trace) {
		while (show_piece(t)) {
		}
		cassin_engine_trace_stop(t->trace);
	}
	if (t->trace && t->text.begun)
		output_write(t->output, " ...\n", 5);
	t->trace = NULL;
	return output_end(t->output);
}

bool run_trace_close(struct run_trace *t)
{
	int error = output_lost(t->output);
	if (error && error != EPIPE)
		command_failed("cannot write the trace to %s: %s", t->path ? t->path : "standard error",
			       strerror(error));
	output_free(t->output);
	if (t->path)
		close(t->fd);
	free(t);
	return !error || error == EPIPE;
}
