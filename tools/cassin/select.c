/* SPDX-License-Identifier: MIT */
#include "select.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int add(struct selection *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (!strcmp(s->names[i], name))
			return 0;
	char **names = realloc(s->names, (s->count + 1) * sizeof *names), *copy = strdup(name);
	if (names)
		s->names = names;
	if (!names || !copy) {
		free(copy);
		return -ENOMEM;
	}
	s->names[s->count++] = copy;
	return 0;
}

void selection_check(const struct command *c, int named, bool all)
{
	if (all && named)
		command_usage(c, "--all and names of guests: say one or the other");
	if (!all && !named)
		command_usage(c, "name the guests, or say --all");
}

bool selection_is_glob(const char *text)
{
	return strpbrk(text, "*?[") != NULL;
}

static int add_matches(struct selection *s, json_t *guests, const char *pattern)
{
	bool matched = false;
	json_t *guest;
	size_t i;
	json_array_foreach (guests, i, guest) {
		const char *name = json_string_value(json_object_get(guest, "name"));
		if (!name || fnmatch(pattern, name, 0))
			continue;
		matched = true;
		if (add(s, name) < 0)
			return command_failed("no memory");
	}
	return matched ? 0 : command_failed("no guest matches \"%s\"", pattern);
}

int selection_make(struct selection *s, struct client *c, char **patterns, int npatterns, bool all)
{
	bool globs = all;
	int result = 0;
	*s = (struct selection){0};
	for (int i = 0; i < npatterns; i++)
		globs |= selection_is_glob(patterns[i]);
	json_t *list = globs ? client_json(c, "GET", "/v1/guests", NULL) : NULL;
	if (globs && !list)
		return EXIT_FAILED;
	json_t *guests = json_object_get(list, "guests");
	for (int i = 0; i < npatterns && result == 0; i++)
		if (!selection_is_glob(patterns[i]) && add(s, patterns[i]) < 0)
			result = command_failed("no memory");
	s->named = s->count;
	if (all && json_array_size(guests) && result == 0)
		result = add_matches(s, guests, "*");
	for (int i = 0; i < npatterns && result == 0; i++)
		if (selection_is_glob(patterns[i]))
			result = add_matches(s, guests, patterns[i]);
	json_decref(list);
	if (result)
		selection_free(s);
	return result;
}

void selection_free(struct selection *s)
{
	for (size_t i = 0; i < s->count; i++)
		free(s->names[i]);
	free(s->names);
	*s = (struct selection){0};
}

int selection_fetch(const struct selection *s, struct client *c, json_t *all,
		    void (*each)(const json_t *guest, size_t before))
{
	int result = EXIT_OK;
	for (size_t i = 0; i < s->count; i++) {
		char *target = client_guest_target(s->names[i], "");
		json_t *guest = target ? client_json(c, "GET", target, NULL) : NULL;
		free(target);
		if (!guest) {
			result = EXIT_FAILED;
			continue;
		}
		if (each)
			each(guest, json_array_size(all));
		json_array_append_new(all, guest);
	}
	return result;
}

/* A guest that was found by its pattern and has gone since is no failure: others may be at it, too. */
static int request_each(struct client *client, const struct selection *s, const char *method, const char *suffix)
{
	int result = EXIT_OK;
	for (size_t i = 0; i < s->count; i++) {
		struct response r;
		char *target = client_guest_target(s->names[i], suffix);
		if (!target || client_request(client, method, target, NULL, NULL, NULL, &r) < 0) {
			free(target);
			return EXIT_FAILED;
		}
		free(target);
		if (r.status == 404 && i >= s->named) {
			free(r.body);
			continue;
		}
		if (r.status >= 400)
			result = client_report_error(&r, NULL);
		else
			puts(s->names[i]);
		free(r.body);
	}
	return result;
}

int select_and_request(const struct command *c, int argc, char **argv, const char *method, const char *suffix)
{
	static const struct option longs[] = {COMMON_OPTIONS, {"all", no_argument, NULL, 'a'}, {0}};
	bool all = false;
	int option;
	while ((option = getopt_long(argc, argv, "ah", longs, NULL)) != -1) {
		if (option == 'a')
			all = true;
		else
			command_option(c, option == 'h' ? OPTION_HELP : option);
	}
	selection_check(c, argc - optind, all);
	struct client *client = client_open();
	if (!client)
		return EXIT_FAILED;
	struct selection s;
	int result = selection_make(&s, client, argv + optind, argc - optind, all);
	if (result == 0)
		result = request_each(client, &s, method, suffix);
	selection_free(&s);
	client_close(client);
	return result;
}
