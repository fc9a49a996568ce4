/* SPDX-License-Identifier: MIT */
#include "clients.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "histogram.h"
#include "metrics.h"
#include "../common/resource.h"

#define SLICE_US 1000.0 /* the scheduler's */

static json_t *job_of(struct system *s, size_t i)
{
	const struct scenario *scenario = &s->lab->scenario;
	const struct load *l = &scenario->loads[i];
	unsigned count = scenario_group_size(scenario, l->group, s->guests);
	struct target t;
	s->calls->target(s, l->group, &t);
	json_t *job = json_pack("{s:s, s:i, s:i, s:f, s:b, s:f, s:s}", "kind", load_kinds[l->kind], "connections",
				(int)l->connections, "requests", l->kind == LOAD_LATENESS ? 1 : (int)l->requests,
				"rate", l->rate, "zipf", (int)l->zipf, "skew", l->skew, "path", l->path);
	json_object_update_new(job, json_pack("{s:i, s:i, s:f, s:f, s:f, s:i, s:i}", "keys", (int)l->keys,
					      "value_bytes", (int)l->value_bytes, "set_share", l->set_share, "warmup_s",
					      scenario->warmup_s, "measure_s", scenario->measure_s, "count",
					      (int)(count ? count : 1), "seed", (int)(now_ns() % 1000000000)));
	if (*t.gateway)
		json_object_update_new(job, json_pack("{s:s, s:s, s:i, s:i}", "gateway", t.gateway, "prefix", t.prefix,
						      "port", (int)t.port, "batch", (int)t.batch));
	else
		json_object_update_new(job, json_pack("{s:i}", "base", (int)t.base));
	return job;
}

static int start_one(struct one_client *c, struct system *s, size_t i, char *program)
{
	char *const argv[] = {program, NULL};
	int result = child_start(&c->child, argv, true, STDERR_FILENO, NULL);
	if (result < 0)
		return system_failed(s, "cannot start the load client: %s", strerror(-result));
	json_t *job = job_of(s, i);
	json_dumpfd(job, c->child.in, JSON_COMPACT);
	json_decref(job);
	close(c->child.in);
	c->child.in = -1;
	fcntl(c->child.out, F_SETFL, O_NONBLOCK);
	return 0;
}

int clients_start(struct clients *c, struct system *s)
{
	int result = 0;
	*c = (struct clients){.count = s->lab->scenario.load_count};
	char *program = c->count ? resource_program("cassin-load") : NULL;
	if (c->count && !program)
		return system_failed(s, "cassin-load is not beside this program");
	for (size_t i = 0; i < c->count; i++)
		c->of[i].child.in = c->of[i].child.out = -1;
	for (size_t i = 0; result == 0 && i < c->count; i++)
		result = start_one(&c->of[i], s, i, program);
	free(program);
	return result;
}

static void take_line(struct clients *c, struct one_client *one, const char *line)
{
	json_t *event = json_loads(line, 0, NULL);
	const char *what = json_string_value(json_object_get(event, "event"));
	if (what && !strcmp(what, "measuring")) {
		c->measuring++;
	} else if (what && !strcmp(what, "result") && !one->result) {
		one->result = json_incref(event);
		c->done++;
	}
	json_decref(event);
}

/* Takes in what has come. True: that was all, its output is closed. */
static bool take(struct clients *c, struct one_client *one)
{
	for (;;) {
		if (one->size - one->len < 65536) {
			char *text = realloc(one->text, one->size + (1u << 20));
			if (!text)
				return true;
			one->text = text;
			one->size += 1u << 20;
		}
		ssize_t n = read(one->child.out, one->text + one->len, one->size - one->len - 1);
		if (n <= 0)
			return n == 0 || (errno != EAGAIN && errno != EINTR);
		one->len += (size_t)n;
		one->text[one->len] = '\0';
		char *newline;
		while ((newline = memchr(one->text, '\n', one->len))) {
			*newline = '\0';
			take_line(c, one, one->text);
			one->len -= (size_t)(newline + 1 - one->text);
			memmove(one->text, newline + 1, one->len + 1);
		}
	}
}

int clients_poll(struct clients *c, struct system *s, int ms)
{
	struct pollfd fds[SCENARIO_LOADS_MAX];
	char fate[48];
	for (size_t i = 0; i < c->count; i++)
		fds[i] = (struct pollfd){.fd = c->of[i].result ? -1 : c->of[i].child.out, .events = POLLIN};
	if (poll(fds, (nfds_t)c->count, ms) <= 0)
		return 0;
	for (size_t i = 0; i < c->count; i++) {
		struct one_client *one = &c->of[i];
		if (!fds[i].revents || !take(c, one) || one->result)
			continue;
		for (unsigned k = 0; k < 1000 && !child_ended(&one->child); k++)
			usleep(1000);
		return system_failed(s, "the load client %s before it was done", child_fate(&one->child, fate));
	}
	return 0;
}

double clients_cpu(struct clients *c)
{
	double sum = 0;
	for (size_t i = 0; i < c->count; i++) {
		double cpu = c->of[i].child.pid ? process_cpu_seconds(c->of[i].child.pid, NULL) : 0;
		if (cpu > c->of[i].cpu)
			c->of[i].cpu = cpu;
		sum += c->of[i].cpu;
	}
	return sum;
}

/* How the three kinds of figures of loads are called. */
static const struct names {
	const char *rate, *p50, *p90, *p99, *p999, *max;
} names[] = {
	{"requests_per_s", "latency_p50_us", "latency_p90_us", "latency_p99_us", "latency_p999_us", "latency_max_us"},
	{"echo_per_s", "echo_p50_us", NULL, "echo_p99_us", NULL, "echo_max_us"},
	{NULL, "late_p50_us", NULL, "late_p99_us", NULL, "late_max_us"},
};

static size_t names_of(enum load_kind kind)
{
	return kind == LOAD_ECHO ? 1 : kind == LOAD_LATENESS ? 2 : 0;
}

static void set_percentile(json_t *into, const char *name, const struct histogram *h, double part)
{
	if (name)
		metric_set(into, name, (double)histogram_at(h, part) / 1e3);
}

void clients_metrics(const struct clients *c, struct system *s, json_t *into)
{
	double errors = 0;
	struct histogram *h = malloc(sizeof *h);
	for (size_t k = 0; h && k < 3; k++) {
		const struct names *n = &names[k];
		double rate = 0;
		bool any = false;
		memset(h, 0, sizeof *h);
		for (size_t i = 0; i < c->count; i++) {
			const json_t *r = c->of[i].result;
			if (!r || names_of(s->lab->scenario.loads[i].kind) != k)
				continue;
			any = true;
			histogram_decode(h, json_object_get(r, "histogram"));
			rate += json_number_value(json_object_get(r, "requests")) /
				json_number_value(json_object_get(r, "seconds"));
			errors += json_number_value(json_object_get(r, "errors"));
			const char *first = json_string_value(json_object_get(r, "first_error"));
			if (first && *first)
				json_object_set_new(into, "first_error", json_string(first));
		}
		if (any && n->rate)
			metric_set(into, n->rate, rate);
		if (!any || !h->count)
			continue;
		set_percentile(into, n->p50, h, 0.5);
		set_percentile(into, n->p90, h, 0.9);
		set_percentile(into, n->p99, h, 0.99);
		set_percentile(into, n->p999, h, 0.999);
		set_percentile(into, n->max, h, 1);
		if (k == 1)
			metric_set(into, "echo_p99_slices", (double)histogram_at(h, 0.99) / 1e3 / SLICE_US);
	}
	if (c->count)
		metric_set(into, "errors", errors);
	free(h);
}

void clients_stop(struct clients *c)
{
	for (size_t i = 0; i < c->count; i++) {
		child_stop(&c->of[i].child, SIGTERM, 1000);
		free(c->of[i].text);
		json_decref(c->of[i].result);
	}
	*c = (struct clients){0};
}
