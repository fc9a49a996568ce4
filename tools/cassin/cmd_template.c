/* SPDX-License-Identifier: MIT */
/* cassin template: made, listed, removed. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../common/clocks.h"
#include "answer.h"
#include "../common/client.h"
#include "../common/command.h"
#include "spec_options.h"
#include "table.h"
#include "units.h"

static const char help[] =
	"Usage: cassin template create [OPTION]... NAME IMAGE [ARG...]\n"
	"       cassin template create [OPTION]... NAME --spec FILE\n"
	"       cassin template create [OPTION]... NAME --template OTHER\n"
	"       cassin template ls [--json]\n"
	"       cassin template rm NAME...\n"
	"A template is a guest that was booted once and frozen when it called `ready`. Clones of\n"
	"it (cassin spawn --template NAME) go on from there, and share its pages until they\n"
	"write to them.\n"
	"\n"
	"create boots the guest and returns when it is frozen. Its options:\n"
	"  --memory SIZE       memory that a clone may touch, such as 512K or 64M (default 16M)\n"
	"  --domain NAME       trust domain of the template and its clones\n"
	"  --file [NAME=]PATH  give it, and its clones, a file to read; may be repeated\n"
	"  --spec FILE         take all from a JSON spec; the options given override it\n"
	"  --template OTHER    make it from a clone of another template\n"
	"  --timeout SECONDS   how long the guest may take to become ready (default 30)\n"
	"Options end at IMAGE: what follows it is the guest's.\n"
	"\n"
	"ls lists templates; rm forgets them, and their clones go on.\n"
	"  --json              one JSON document: {\"templates\": [...]}\n"
	"  --socket PATH       the daemon's socket\n"
	"\n"
	"Examples:\n"
	"  cassin template create web build/examples/http.elf\n"
	"  cassin spawn -n 1000 --template web\n"
	"  cassin template rm web\n";

/* ---- create ---- */

static unsigned seconds(const char *text)
{
	char *end;
	errno = 0;
	unsigned long n = strtoul(text, &end, 10);
	if (*text < '0' || *text > '9' || *end || errno || n > 600)
		command_usage(&cmd_template, "--timeout %s: must be a number from 0 to 600", text);
	return (unsigned)n;
}

/* Options up to the next operand. */
static void take_options(struct spec_options *o, unsigned *timeout_s, int argc, char **argv)
{
	enum { TIMEOUT = OPTION_OWN };
	static const struct option longs[] = {
		COMMON_OPTIONS,
		{"memory", required_argument, NULL, OPTION_MEMORY},
		{"domain", required_argument, NULL, OPTION_DOMAIN},
		{"file", required_argument, NULL, OPTION_FILE},
		{"spec", required_argument, NULL, OPTION_SPEC},
		{"template", required_argument, NULL, OPTION_TEMPLATE},
		{"timeout", required_argument, NULL, TIMEOUT},
		{0},
	};
	int option;
	while ((option = getopt_long(argc, argv, "+h", longs, NULL)) != -1) {
		if (spec_options_take(&cmd_template, o, option, optarg))
			continue;
		if (option == TIMEOUT)
			*timeout_s = seconds(optarg);
		else
			command_option(&cmd_template, option == 'h' ? OPTION_HELP : option);
	}
}

static int request_create(const char *body, unsigned timeout_s)
{
	char target[64];
	snprintf(target, sizeof target, "/v1/templates?timeout_ms=%u", timeout_s * 1000);
	struct client *client = client_open();
	json_t *made = client ? client_json(client, "POST", target, body) : NULL;
	if (client)
		client_close(client);
	if (!made)
		return EXIT_FAILED;
	puts(answer_text(made, "name"));
	json_decref(made);
	return EXIT_OK;
}

static int create(int argc, char **argv)
{
	struct cassin_error_text err = {""};
	struct spec_options o = {0};
	struct cassin_guest_spec spec;
	unsigned timeout_s = 30;
	take_options(&o, &timeout_s, argc, argv);
	if (optind == argc)
		command_usage(&cmd_template, "create: name the template");
	o.name = argv[optind++];
	if (!cassin_name_valid(o.name))
		command_usage(&cmd_template,
			      "create: %.80s: must be letters, digits, '.', '_' and '-', at most %d, the first a "
			      "letter or a digit",
			      o.name, CASSIN_NAME_MAX);
	take_options(&o, &timeout_s, argc, argv);
	if (optind == argc && !o.spec && !o.template)
		command_usage(&cmd_template, "create: name an image, a spec with --spec or another template");
	int result = spec_options_apply(&cmd_template, &o, argv + optind, &spec, NULL, NULL, &err);
	char *body = result == 0 ? spec_options_text(&spec, &err) : NULL;
	cassin_spec_free(&spec);
	if (!body)
		return command_failed("%s", err.text);
	result = request_create(body, timeout_s);
	free(body);
	return result;
}

/* ---- ls, rm ---- */

static void print_table(const json_t *templates)
{
	static const char *const heads[] = {"NAME", ">CLONES", ">PAGES", ">MEMORY", ">AGE", "DOMAIN", "IMAGE", NULL};
	struct table t;
	json_t *template;
	size_t i;
	uint64_t now = clock_ns(CLOCK_REALTIME);
	table_init(&t, heads);
	json_array_foreach (templates, i, template) {
		char clones[24], pages[24], memory[UNITS_MAX], age[UNITS_MAX];
		uint64_t created = answer_number(template, "created_ns");
		snprintf(clones, sizeof clones, "%llu", (unsigned long long)answer_number(template, "clones"));
		snprintf(pages, sizeof pages, "%llu", (unsigned long long)answer_number(template, "pages"));
		table_row(&t, (const char *const[]){answer_text(template, "name"), clones, pages,
						    units_size(memory, answer_number(template, "memory_bytes")),
						    units_time(age, now > created ? now - created : 0),
						    answer_text(template, "domain"), answer_text(template, "image")});
	}
	table_print(&t);
}

static int list(bool json)
{
	struct client *client = client_open();
	json_t *all = client ? client_json(client, "GET", "/v1/templates", NULL) : NULL;
	if (client)
		client_close(client);
	if (!all)
		return EXIT_FAILED;
	if (json)
		answer_print(all);
	else
		print_table(json_object_get(all, "templates"));
	json_decref(all);
	return EXIT_OK;
}

static int remove_each(char **names)
{
	int result = EXIT_OK;
	struct client *client = client_open();
	if (!client)
		return EXIT_FAILED;
	for (; *names; names++) {
		char *target = client_template_target(*names);
		json_t *gone = target ? client_json(client, "DELETE", target, NULL) : NULL;
		free(target);
		if (gone)
			puts(*names);
		else
			result = EXIT_FAILED;
		json_decref(gone);
	}
	client_close(client);
	return result;
}

static int list_or_remove(int argc, char **argv, bool removes)
{
	static const struct option longs[] = {COMMON_OPTIONS, {"json", no_argument, NULL, 'j'}, {0}};
	bool json = false;
	int option;
	while ((option = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
		if (option == 'j' && !removes)
			json = true;
		else if (option == 'j')
			command_usage(&cmd_template, "rm: --json is for ls");
		else
			command_option(&cmd_template, option == 'h' ? OPTION_HELP : option);
	}
	if (removes && optind == argc)
		command_usage(&cmd_template, "rm: name the templates");
	if (!removes && optind < argc)
		command_usage(&cmd_template, "ls: unexpected argument: %s", argv[optind]);
	return removes ? remove_each(argv + optind) : list(json);
}

static int run(int argc, char **argv)
{
	static const struct option longs[] = {COMMON_OPTIONS, {0}};
	int option;
	while ((option = getopt_long(argc, argv, "+h", longs, NULL)) != -1)
		command_option(&cmd_template, option == 'h' ? OPTION_HELP : option);
	if (optind == argc)
		command_usage(&cmd_template, "say create, ls or rm");
	argc -= optind;
	argv += optind;
	optind = 0;
	bool creates = !strcmp(argv[0], "create"), removes = !strcmp(argv[0], "rm");
	if (!creates && !removes && strcmp(argv[0], "ls") != 0)
		command_usage(&cmd_template, "\"%s\": must be create, ls or rm", argv[0]);
	char name[32];
	snprintf(name, sizeof name, "cassin template %s", argv[0]);
	argv[0] = name; /* what getopt says begins as all else does */
	return creates ? create(argc, argv) : list_or_remove(argc, argv, removes);
}

const struct command cmd_template = {"template", "make guests to clone others from", help, run};
