/* SPDX-License-Identifier: MIT */
/* cassin spawn: guests in the daemon, one or many. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "../common/client.h"
#include "../common/command.h"
#include "progress.h"
#include "spec_options.h"
#include "units.h"

static const char help[] =
	"Usage: cassin spawn [OPTION]... IMAGE [ARG...]\n"
	"       cassin spawn [OPTION]... --spec FILE\n"
	"       cassin spawn [OPTION]... --template TEMPLATE\n"
	"Starts guests in the daemon, and returns when all of them run (or have ended with 0).\n"
	"Says which did not, and why.\n"
	"\n"
	"  -n COUNT            how many; they are named NAME-0, NAME-1, ... (without -n: one, NAME)\n"
	"  -p BASE+:GUEST      guest i's port GUEST is on the host's port BASE+i\n"
	"  -p [ADDR:]HOST:GUEST, -p unix:PATH:GUEST\n"
	"                      for a single guest\n"
	"  --name NAME         the name, or its beginning (default: the image's base name)\n" SPEC_OPTIONS_HELP
	"  --template NAME     clones of this template; see cassin help template\n"
	"  --atomic            all or nothing: if one fails, none remains\n"
	"  --trace             trace each from its first instruction: what it asked is kept, the last\n"
	"                      4096 records, until cassin trace NAME shows it, also after its end;\n"
	"                      640 KiB of memory for each\n"
	"  --wait              wait until there is room for them, when there is none, and\n"
	"                      behind those who wait already; else they are refused\n"
	"  --timeout SECONDS   how long to wait for them to run, once started (default 30)\n"
	"  --json              one JSON document: the daemon's summary\n"
	"  --socket PATH       the daemon's socket\n"
	"\n"
	"Options end at IMAGE: what follows it is the guest's.\n"
	"\n"
	"Examples:\n"
	"  cassin spawn -n 500 -p 8000+:80 build/examples/http.elf\n"
	"  cassin spawn -p 6379:6379 --name db --memory 64M --restart always build/examples/kv.elf\n"
	"  cassin spawn --spec web.json\n"
	"  cassin spawn --trace --name boots build/examples/hello.elf && cassin trace boots\n"
	"  cassin spawn -n 1000 --template web\n";

struct spawn {
	struct spec_options guest;
	unsigned count; /* 0: no -n */
	unsigned timeout_s;
	bool atomic, trace, wait, json;
	struct progress progress;
	char *line; /* of the daemon's report, not yet whole */
	size_t len;
	json_t *summary;
};

/* ---- The request ---- */

static json_t *bases_json(const struct cassin_guest_port *bases, size_t n)
{
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list,
				      json_pack("{s:s, s:i}", "host", bases[i].host, "guest", (int)bases[i].guest));
	return list;
}

static char *request_text(const struct spawn *s, const struct cassin_guest_spec *spec,
			  const struct cassin_guest_port *bases, size_t n, struct cassin_error_text *err)
{
	char *text = spec_options_text(spec, err);
	if (!text)
		return NULL;
	json_t *o = json_pack("{s:s, s:o, s:o, s:b, s:b, s:b, s:I}", "name_prefix", spec->name, "spec",
			      json_loads(text, 0, NULL), "port_base", bases_json(bases, n), "atomic", (int)s->atomic,
			      "trace", (int)s->trace, "wait", (int)s->wait, "wait_ms", (json_int_t)s->timeout_s * 1000);
	if (o && s->count)
		json_object_set_new(o, "count", json_integer(s->count));
	free(text);
	text = o ? json_dumps(o, JSON_COMPACT) : NULL;
	json_decref(o);
	if (!text)
		cassin_error_set(err, -ENOMEM, "no memory");
	return text;
}

/* The last guest, too, has a port. */
static void check_base(const struct spawn *s, const struct cassin_guest_port *base)
{
	unsigned long first = strtoul(strrchr(base->host, ':') + 1, NULL, 10);
	if (first + s->count > 65536)
		command_usage(&cmd_spawn, "-p %lu+:%u: %u guests need the ports up to %lu; the highest is 65535", first,
			      (unsigned)base->guest, s->count, first + s->count - 1);
}

static int request_make(const struct spawn *s, char **operands, char **body)
{
	struct cassin_error_text err = {""};
	struct cassin_guest_spec spec;
	struct cassin_guest_port *bases = NULL;
	size_t nbases = 0;
	*body = NULL;
	int result = spec_options_apply(&cmd_spawn, &s->guest, operands, &spec, &bases, &nbases, &err);
	if (result == 0 && s->count > 1 && spec.nports)
		command_usage(&cmd_spawn, "-p: %u guests cannot share a host port: write BASE+:GUEST", s->count);
	for (size_t i = 0; result == 0 && i < nbases; i++)
		check_base(s, &bases[i]);
	if (result == 0)
		*body = request_text(s, &spec, bases, nbases, &err);
	free(bases);
	cassin_spec_free(&spec);
	return *body ? 0 : command_failed("%s", err.text);
}

/* ---- The report ---- */

static void take_line(struct spawn *s, json_t *report)
{
	if (!strcmp(answer_text(report, "event"), "done")) {
		s->summary = json_incref(report);
		return;
	}
	unsigned count = (unsigned)answer_number(report, "count"), spawned = (unsigned)answer_number(report, "spawned");
	unsigned settled = (unsigned)answer_number(report, "settled"),
		 failed = (unsigned)answer_number(report, "failed");
	unsigned waiting = (unsigned)answer_number(report, "waiting");
	char what[48];
	snprintf(what, sizeof what, "spawned, %u waiting", waiting);
	if (waiting)
		progress_show(&s->progress, spawned, failed, count, what);
	else if (spawned + failed < count)
		progress_show(&s->progress, spawned, failed, count, "spawned");
	else
		progress_show(&s->progress, settled, failed, count, "running");
}

static void on_piece(void *opaque, const char *bytes, size_t len)
{
	struct spawn *s = opaque;
	char *whole = realloc(s->line, s->len + len);
	if (!whole)
		exit(command_failed("no memory"));
	s->line = whole;
	memcpy(whole + s->len, bytes, len);
	s->len += len;
	for (char *end; (end = memchr(s->line, '\n', s->len));) {
		size_t used = (size_t)(end - s->line) + 1;
		json_t *report = json_loadb(s->line, used, 0, NULL);
		if (report)
			take_line(s, report);
		json_decref(report);
		memmove(s->line, s->line + used, s->len - used);
		s->len -= used;
	}
}

/* Why a guest failed, without its name in front, where the daemon's line has it. */
static const char *reason(const json_t *guest)
{
	const char *name = answer_text(guest, "name"), *error = answer_text(guest, "error");
	size_t n = strlen(name);
	return !strncmp(error, name, n) && !strncmp(error + n, ": ", 2) ? error + n + 2 : error;
}

/* Neighbours that failed for the same reason share a line. */
static void print_failures(const json_t *failed)
{
	size_t n = json_array_size(failed), first = 0;
	while (first < n) {
		const json_t *guest = json_array_get(failed, first);
		size_t last = first;
		while (last + 1 < n && !strcmp(reason(guest), reason(json_array_get(failed, last + 1))))
			last++;
		if (last == first)
			command_failed("%s: %s", answer_text(guest, "name"), reason(guest));
		else
			command_failed("%s to %s (%zu guests): %s", answer_text(guest, "name"),
				       answer_text(json_array_get(failed, last), "name"), last - first + 1,
				       reason(guest));
		first = last + 1;
	}
}

static void print_summary(const json_t *summary)
{
	unsigned running = (unsigned)answer_number(summary, "running"),
		 ended = (unsigned)answer_number(summary, "ended");
	unsigned booting = (unsigned)answer_number(summary, "booting"), all = running + ended + booting;
	uint64_t elapsed = answer_number(summary, "elapsed_ns");
	char total[UNITS_MAX], each[UNITS_MAX];
	printf("%u guest%s running", running, running == 1 ? "" : "s");
	if (ended)
		printf(", %u ended with 0", ended);
	if (booting)
		printf(", %u still booting", booting);
	if (json_array_size(json_object_get(summary, "failed")))
		printf(", %zu failed", json_array_size(json_object_get(summary, "failed")));
	if (json_is_true(json_object_get(summary, "rolled_back")))
		printf(": all were taken back");
	else
		printf(" in %s", units_time(total, elapsed));
	if (all > 1)
		printf(" (%s each)", units_time(each, elapsed / all));
	putchar('\n');
}

static int conclude(const struct spawn *s)
{
	if (!s->summary)
		return command_failed("the daemon ended before all guests ran");
	const json_t *failed = json_object_get(s->summary, "failed");
	print_failures(failed);
	if (s->json)
		answer_print(s->summary);
	else
		print_summary(s->summary);
	return json_array_size(failed) ? EXIT_FAILED : EXIT_OK;
}

static unsigned number(const char *option, const char *text, unsigned long least, unsigned long most)
{
	char *end;
	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || n < least || n > most)
		command_usage(&cmd_spawn, "%s %s: must be a number from %lu to %lu", option, text, least, most);
	return (unsigned)n;
}

static void parse(struct spawn *s, int argc, char **argv)
{
	enum { ATOMIC = OPTION_OWN, TRACE, WAIT, TIMEOUT, JSON };
	static const struct option longs[] = {
		COMMON_OPTIONS,
		SPEC_OPTIONS,
		{"template", required_argument, NULL, OPTION_TEMPLATE},
		{"atomic", no_argument, NULL, ATOMIC},
		{"trace", no_argument, NULL, TRACE},
		{"wait", no_argument, NULL, WAIT},
		{"timeout", required_argument, NULL, TIMEOUT},
		{"json", no_argument, NULL, JSON},
		{0},
	};
	int option;
	while ((option = getopt_long(argc, argv, "+hn:p:", longs, NULL)) != -1) {
		if (spec_options_take(&cmd_spawn, &s->guest, option, optarg))
			continue;
		if (option == 'n')
			s->count = number("-n", optarg, 1, 100000);
		else if (option == TRACE)
			s->trace = true;
		else if (option == WAIT)
			s->wait = true;
		else if (option == TIMEOUT)
			s->timeout_s = number("--timeout", optarg, 0, 600);
		else if (option == ATOMIC)
			s->atomic = true;
		else if (option == JSON)
			s->json = true;
		else
			command_option(&cmd_spawn, option == 'h' ? OPTION_HELP : option);
	}
	if (optind == argc && !s->guest.spec && !s->guest.template)
		command_usage(&cmd_spawn, "name an image, a spec with --spec or a template with --template");
}

static int run(int argc, char **argv)
{
	struct spawn s = {.timeout_s = 30};
	struct response r;
	char *body;
	parse(&s, argc, argv);
	if (request_make(&s, argv + optind, &body))
		return EXIT_FAILED;
	struct client *client = client_open();
	progress_start(&s.progress);
	int result = client ? client_request(client, "POST", "/v1/spawn", body, on_piece, &s, &r) : -1;
	free(body);
	progress_end(&s.progress);
	if (client)
		client_close(client);
	if (result < 0)
		return EXIT_FAILED;
	result = r.status >= 400 ? client_report_error(&r, NULL) : conclude(&s);
	free(r.body);
	free(s.line);
	json_decref(s.summary);
	return result;
}

const struct command cmd_spawn = {"spawn", "start guests in the daemon", help, run};
