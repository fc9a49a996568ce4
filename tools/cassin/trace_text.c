/* SPDX-License-Identifier: MIT */
/* Records of a trace as lines. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "answer.h"
#include "trace_view.h"

static void put_time(FILE *out, const json_t *event)
{
	uint64_t ns = answer_number(event, "time_ns");
	time_t seconds = (time_t)(ns / 1000000000);
	struct tm tm;
	char text[16];
	localtime_r(&seconds, &tm);
	strftime(text, sizeof text, "%H:%M:%S", &tm);
	fprintf(out, "%s.%06u ", text, (unsigned)(ns % 1000000000 / 1000));
}

/* "name=value, ..." Returns what goes before the next. */
static const char *put_values(FILE *out, json_t *values)
{
	const char *name, *before = "";
	json_t *value;
	json_object_foreach (values, name, value) {
		if (json_is_string(value))
			fprintf(out, "%s%s=%s", before, name, json_string_value(value));
		else
			fprintf(out, "%s%s=%" JSON_INTEGER_FORMAT, before, name, json_integer_value(value));
		before = ", ";
	}
	return before;
}

/* "(name=value, ...)" */
static void put_args(FILE *out, const json_t *event)
{
	const char *text = json_string_value(json_object_get(event, "text"));
	fputc('(', out);
	const char *before = put_values(out, json_object_get(event, "args"));
	if (text)
		fprintf(out, "%s\"%s\"", before, text);
	fputc(')', out);
}

static void put_result(FILE *out, const json_t *event)
{
	const char *error = json_string_value(json_object_get(event, "error"));
	json_t *user = json_object_get(event, "user");
	const char *text = json_string_value(json_object_get(event, "text"));
	fprintf(out, " = %" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(event, "result")));
	if (error)
		fprintf(out, " %s", error);
	if (text)
		fprintf(out, " \"%s\"", text);
	if (user) {
		fputs(" {", out);
		put_values(out, user);
		fputc('}', out);
	}
	fprintf(out, " <%.6f>\n", (double)answer_number(event, "took_ns") / 1e9);
}

static void put_end(FILE *out, const json_t *event)
{
	const char *how = answer_text(event, "how");
	if (!strcmp(how, "exited"))
		fprintf(out, "+++ exited with %llu +++\n", (unsigned long long)answer_number(event, "result"));
	else
		fprintf(out, "+++ %s +++\n", how);
}

void trace_text_end(struct trace_text *t)
{
	if (t->begun)
		fputs(" ...\n", t->out);
	t->begun = false;
}

/* A call's result goes behind it if nothing came in between. */
static void put_return(struct trace_text *t, const json_t *event)
{
	FILE *out = t->out;
	if (!t->begun) {
		put_time(out, event);
		fprintf(out, "... %s", answer_text(event, "call"));
	}
	t->begun = false;
	put_result(out, event);
}

void trace_text_print(struct trace_text *t, const json_t *event)
{
	const char *what = answer_text(event, "event");
	FILE *out = t->out;
	if (!strcmp(what, "return")) {
		put_return(t, event);
		return;
	}
	trace_text_end(t);
	if (!strcmp(what, "lost")) {
		fprintf(out, "[%llu records lost]\n", (unsigned long long)answer_number(event, "records"));
		return;
	}
	put_time(out, event);
	if (!strcmp(what, "call")) {
		fprintf(out, "%s", answer_text(event, "call"));
		put_args(out, event);
		t->begun = true;
	} else if (!strcmp(what, "submit")) {
		fprintf(out, "  submit %s", answer_text(event, "op"));
		put_args(out, event);
		fprintf(out, " #%s\n", answer_text(event, "user_data"));
	} else if (!strcmp(what, "complete")) {
		fprintf(out, "  done %s #%s", answer_text(event, "op"), answer_text(event, "user_data"));
		put_result(out, event);
	} else if (!strcmp(what, "upcall")) {
		fputs("--- upcall", out);
		put_args(out, event);
		fputs(" ---\n", out);
	} else {
		put_end(out, event);
	}
}
