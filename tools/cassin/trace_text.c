// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "answer.h"
#include "trace_view.h"

static void put_time(const json_t *event)
{
	uint64_t ns = answer_number(event, "time_ns");
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;
	char text[16];
	localtime_r(&seconds, &tm);
	strftime(text, sizeof text, "%H:%M:%S", &tm);
	printf("%s.%06u ", text, (unsigned)(ns % 1000000000 / 1000));
}

/* "name=value, ..." Returns what goes before the next. */
static const char *put_values(json_t *values)
{
	const char *name, *before = "";
	json_t *value;
	json_object_foreach (values, name, value) {
		if (json_is_string(value))
			printf("%s%s=%s", before, name, json_string_value(value));
		else
			printf("%s%s=%" JSON_INTEGER_FORMAT, before, name, json_integer_value(value));
		before = ", ";
	}
	return before;
}

/* "(name=value, ...)" */
static void put_args(const json_t *event)
{
	const char *text = json_string_value(json_object_get(event, "text"));
	putchar('(');
	const char *before = put_values(json_object_get(event, "args"));
	if (text)
		printf("%s\"%s\"", before, text);
	putchar(')');
}

static void put_result(const json_t *event)
{
	const char *error = json_string_value(json_object_get(event, "error"));
	json_t *user = json_object_get(event, "user");
	const char *text = json_string_value(json_object_get(event, "text"));
	printf(" = %" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(event, "result")));
	if (error)
		printf(" %s", error);
	if (text)
		printf(" \"%s\"", text);
	if (user) {
		fputs(" {", stdout);
		put_values(user);
		putchar('}');
	}
	printf(" <%.6f>\n", (double)answer_number(event, "took_ns") / 1e9);
}

static void put_end(const json_t *event)
{
	const char *how = answer_text(event, "how");
	if (!strcmp(how, "exited"))
		printf("+++ exited with %llu +++\n", (unsigned long long)answer_number(event, "result"));
	else
		printf("+++ %s +++\n", how);
}

void trace_text_end(struct trace_text *t)
{
	if (t->begun)
		puts(" ...");
	t->begun = false;
}

/* A call's result goes behind it if nothing came in between. */
static void put_return(struct trace_text *t, const json_t *event)
{
	if (!t->begun) {
		put_time(event);
		printf("... %s", answer_text(event, "call"));
	}
	t->begun = false;
	put_result(event);
}

void trace_text_print(struct trace_text *t, const json_t *event)
{
	const char *what = answer_text(event, "event");
	if (!strcmp(what, "return")) {
		put_return(t, event);
		return;
	}
	trace_text_end(t);
	if (!strcmp(what, "lost")) {
		printf("[%llu records lost]\n", (unsigned long long)answer_number(event, "records"));
		return;
	}
	put_time(event);
	if (!strcmp(what, "call")) {
		printf("%s", answer_text(event, "call"));
		put_args(event);
		t->begun = true;
	} else if (!strcmp(what, "submit")) {
		printf("  submit %s", answer_text(event, "op"));
		put_args(event);
		printf(" #%s\n", answer_text(event, "user_data"));
	} else if (!strcmp(what, "complete")) {
		printf("  done %s #%s", answer_text(event, "op"), answer_text(event, "user_data"));
		put_result(event);
	} else if (!strcmp(what, "upcall")) {
		fputs("--- upcall", stdout);
		put_args(event);
		puts(" ---");
	} else {
		put_end(event);
	}
}
