/* SPDX-License-Identifier: MIT */
#include "results.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cassin/engine.h>
#include <cassin/open_file.h>

#include "../common/command.h"
#include "html.h"
#include "metrics.h"

#define FORMAT "cassin-density"
#define VERSION 1

void results_begin(struct lab *lab)
{
	const struct scenario *s = &lab->scenario;
	char started[32];
	time_t now = time(NULL);
	json_t *ramp = json_array();
	for (unsigned i = 0; i < s->step_count; i++)
		json_array_append_new(ramp, json_integer((json_int_t)s->steps[i]));
	strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	json_t *settings = json_pack("{s:o, s:i, s:f, s:f, s:I}", "ramp", ramp, "runs", (int)s->runs, "warmup_s",
				     s->warmup_s, "measure_s", s->measure_s, "reserve_kib",
				     (json_int_t)lab->reserve_kib);
	lab->results = json_pack("{s:s, s:i, s:s, s:s, s:s, s:f, s:b, s:s, s:O, s:o, s:o, s:[]}", "format", FORMAT,
				 "version", VERSION, "cassin", CASSIN_VERSION, "title", s->title, "started", started,
				 "elapsed_s", 0.0, "complete", 0, "ended", "it is not at its end", "scenario",
				 s->document, "settings", settings, "host", host_settings(), "systems");
	lab->begun = now_ns();
}

json_t *results_system(struct lab *lab, const char *name, const char *command)
{
	json_t *system = json_pack("{s:s, s:s*, s:[], s:[]}", "name", name, "command", command, "runs", "summary");
	json_array_append_new(json_object_get(lab->results, "systems"), system);
	return system;
}

/* One line a figure: system, run, guests, metric, unit, value. */
static void write_csv(FILE *f, const json_t *results)
{
	size_t i, k, n;
	json_t *system, *run, *step;
	fputs("system,run,guests,metric,unit,value\n", f);
	json_array_foreach (json_object_get(results, "systems"), i, system)
		json_array_foreach (json_object_get(system, "runs"), k, run)
			json_array_foreach (json_object_get(run, "steps"), n, step)
				for (size_t m = 0; m < metric_count; m++) {
					const json_t *v = json_object_get(json_object_get(step, "metrics"),
									  metrics[m].name);
					if (v)
						fprintf(f, "%s,%zu,%lld,%s,%s,%.9g\n",
							json_string_value(json_object_get(system, "name")), k + 1,
							json_integer_value(json_object_get(step, "guests")),
							metrics[m].name, metrics[m].unit, json_number_value(v));
				}
}

static void write_json(FILE *f, const json_t *results)
{
	json_dumpf(results, f, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
	fputc('\n', f);
}

/* Through a second name, so that what was there stays whole until the new one is. */
static int write_file(const char *folder, const char *name, void (*write)(FILE *f, const json_t *results),
		      const json_t *results)
{
	char *path = NULL, *other = NULL;
	int result = -ENOMEM;
	if (asprintf(&path, "%s/%s", folder, name) > 0 &&
	    asprintf(&other, "%s/.%s.%ld", folder, name, (long)getpid()) > 0) {
		FILE *f = fopen(other, "wxe");
		result = f ? 0 : -errno;
		if (f) {
			write(f, results);
			if (ferror(f) | fclose(f) || rename(other, path) < 0)
				result = -(errno ? errno : EIO);
			if (result < 0)
				unlink(other);
		}
	}
	if (result < 0)
		command_failed("cannot write %s: %s", path ? path : name, strerror(-result));
	free(path);
	free(other);
	return result;
}

int results_write(struct lab *lab, const char *ended)
{
	json_t *r = lab->results, *system;
	size_t i;
	json_object_set_new(r, "elapsed_s", json_real((double)(now_ns() - lab->begun) / 1e9));
	if (ended) {
		json_object_set_new(r, "ended", json_string(ended));
		json_object_set_new(r, "complete", json_boolean(!strcmp(ended, "complete")));
	}
	json_array_foreach (json_object_get(r, "systems"), i, system)
		json_object_set_new(system, "summary", metrics_summary(json_object_get(system, "runs")));
	int result = write_file(lab->out, "results.json", write_json, r);
	if (result == 0)
		result = write_file(lab->out, "results.csv", write_csv, r);
	if (result == 0)
		result = write_file(lab->out, "report.html", html_write, r);
	return result;
}

json_t *results_read(const char *path, char *why, size_t size)
{
	char *file = NULL;
	struct stat st;
	json_error_t error;
	struct cassin_error_text err;
	bool folder = stat(path, &st) == 0 && S_ISDIR(st.st_mode);
	if (asprintf(&file, "%s%s", path, folder ? "/results.json" : "") < 0)
		return NULL;
	int fd = cassin_stream_open(file, &err);
	if (fd < 0) {
		snprintf(why, size, "%s", err.text);
		free(file);
		return NULL;
	}
	json_t *r = json_loadfd(fd, 0, &error);
	close(fd);
	const char *format = json_string_value(json_object_get(r, "format"));
	if (!r) {
		snprintf(why, size, "%s%s%s", error.line > 0 ? file : "", error.line > 0 ? ": " : "", error.text);
	} else if (!format || strcmp(format, FORMAT) != 0 ||
		   json_integer_value(json_object_get(r, "version")) != VERSION) {
		snprintf(why, size, "%s: is no report of cassin density, version %d", file, VERSION);
		json_decref(r);
		r = NULL;
	}
	free(file);
	return r;
}
