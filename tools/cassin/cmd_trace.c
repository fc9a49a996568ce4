/* SPDX-License-Identifier: MIT */
/* cassin trace: what a guest asks of the hypervisor, as it does. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../common/client.h"
#include "../common/command.h"
#include "trace_view.h"

#define LINE_MAX_BYTES 4096u

static const char help[] =
	"Usage: cassin trace [OPTION]... NAME\n"
	"Shows what a guest asks of the hypervisor as it happens: hypercalls with their arguments,\n"
	"results and times, and the operations that go through its rings. It ends with the guest, or\n"
	"with Ctrl-C.\n"
	"\n"
	"  -c, --count     totals at the end instead: how many, errors, time\n"
	"  -t SECONDS      end after so long\n"
	"  --json          one JSON document a line as it happens; with -c, one for the totals\n"
	"  --socket PATH   the daemon's socket\n"
	"\n"
	"A line is a call, `submit` an operation that the guest has put into its ring, `done` its\n"
	"completion; #0x... is the guest's name for it. Times of waiting count as the call's. What\n"
	"comes faster than it can be read is counted as lost. A guest that was spawned to be\n"
	"traced (cassin help spawn) is shown from its first instruction, also when it has ended.\n"
	"\n"
	"Examples:\n"
	"  cassin trace web-3\n"
	"  cassin trace -c -t 10 db\n"
	"  cassin trace --json web-3 | jq 'select(.op == \"send\")'\n";

struct tracer {
	bool count, json;
	struct trace_text text;
	struct trace_totals totals;
	char line[LINE_MAX_BYTES];
	size_t len;
};

static struct client *client; /* for the signal handler */
static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	int saved = errno;
	(void)number;
	interrupted = 1;
	client_interrupt(client);
	errno = saved;
}

static void on_line(struct tracer *t)
{
	if (t->json && !t->count) {
		puts(t->line);
		return;
	}
	json_t *event = json_loads(t->line, 0, NULL);
	if (event && t->count)
		trace_totals_add(&t->totals, event);
	else if (event)
		trace_text_print(&t->text, event);
	json_decref(event);
}

static void on_piece(void *opaque, const char *bytes, size_t len)
{
	struct tracer *t = opaque;
	for (size_t i = 0; i < len; i++) {
		if (bytes[i] != '\n' && t->len < sizeof t->line - 1) {
			t->line[t->len++] = bytes[i];
		} else if (bytes[i] == '\n') {
			t->line[t->len] = '\0';
			t->len = 0;
			on_line(t);
		}
	}
	command_flush();
}

static int trace(struct tracer *t, const char *name, unsigned seconds)
{
	struct response r;
	struct sigaction act = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGALRM, &act, NULL);
	alarm(seconds);
	char *target = client_guest_target(name, "/trace");
	int result = target ? client_request(client, "GET", target, NULL, on_piece, t, &r) : -1;
	free(target);
	if (result < 0)
		return interrupted ? EXIT_OK : EXIT_FAILED;
	if (r.status >= 400) {
		client_report_error(&r, r.status == 404 ? NULL : name); /* whose error names it */
		free(r.body);
		return EXIT_FAILED;
	}
	free(r.body);
	trace_text_end(&t->text);
	if (t->count && t->json)
		trace_totals_json(&t->totals);
	else if (t->count)
		trace_totals_print(&t->totals);
	return r.truncated && !interrupted ? command_failed("the daemon ended") : EXIT_OK;
}

static unsigned seconds_of(const char *text)
{
	char *end;
	unsigned long seconds = strtoul(text, &end, 10);
	if (*text < '1' || *text > '9' || *end || seconds > 1000000)
		command_usage(&cmd_trace, "-t %s: must be a number of seconds, from 1 to 1000000", text);
	return (unsigned)seconds;
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = {
		COMMON_OPTIONS, {"count", no_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
	static struct tracer t;
	unsigned seconds = 0;
	int option;
	while ((option = getopt_long(argc, argv, "cht:", longs, NULL)) != -1) {
		if (option == 'c')
			t.count = true;
		else if (option == 'j')
			t.json = true;
		else if (option == 't')
			seconds = seconds_of(optarg);
		else
			command_option(&cmd_trace, option == 'h' ? OPTION_HELP : option);
	}
	if (argc - optind != 1)
		command_usage(&cmd_trace, "name one guest");
	t.text.out = stdout;
	client = client_open();
	if (!client)
		return EXIT_FAILED;
	int result = trace(&t, argv[optind], seconds);
	client_close(client);
	return result;
}

const struct command cmd_trace = {"trace", "show a guest's hypercalls as they happen", help, run};
