/* SPDX-License-Identifier: MIT */
/* Totals: /v1/stats, /v1/version and /metrics. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "guest_json.h"
#include "reply.h"

static uint64_t count_templates(struct daemon *d)
{
	struct cassin_template_status *all = NULL;
	int n = cassin_engine_template_list(d->engine, &all);
	free(all);
	return n > 0 ? (uint64_t)n : 0;
}

static json_t *domains_json(struct daemon *d)
{
	struct cassin_domain_account *all = NULL;
	json_t *o = json_object();
	int n = cassin_engine_domains(d->engine, &all);
	for (int i = 0; i < n; i++)
		json_object_set_new(o, all[i].name, account_json(&all[i].memory));
	free(all);
	return o;
}

void api_stats(struct connection *c, const struct target *t)
{
	struct daemon *d = c->daemon;
	struct cassin_engine_stats s;
	(void)t;
	struct cassin_memory_account all;
	cassin_engine_stats(d->engine, &s);
	cassin_engine_account(d->engine, &all);
	json_t *o = json_pack("{s:s, s:i, s:i, s:I}", "backend", cassin_engine_backend(d->engine), "workers",
			      (int)s.workers, "cells", (int)s.cells, "templates", (json_int_t)count_templates(d));
	for (size_t i = 0; i < engine_figures_count; i++)
		json_object_set_new(o, engine_figures[i].name,
				    json_integer((json_int_t)figure_of(&engine_figures[i], &s)));
	json_object_set_new(o, "account", account_json(&all));
	json_object_set_new(o, "domains", domains_json(d));
	json_object_set_new(o, "api",
			    json_pack("{s:i, s:I, s:I, s:I}", "connections", (int)d->nconnections, "requests",
				      (json_int_t)d->requests, "errors", (json_int_t)d->errors, "gateway_connections",
				      (json_int_t)d->gateway_connects));
	reply_json(c, 200, o);
}

void api_version(struct connection *c, const struct target *t)
{
	(void)t;
	reply_json(c, 200,
		   json_pack("{s:s, s:s, s:i, s:i, s:s}", "name", "cassind", "version", CASSIN_VERSION, "api", 1, "pid",
			     (int)getpid(), "backend", cassin_engine_backend(c->daemon->engine)));
}

enum metric_type { GAUGE, COUNTER };

static void metric_head(FILE *out, const char *name, const char *help, enum metric_type type)
{
	fprintf(out, "# HELP %s %s.\n# TYPE %s %s\n", name, help, name, type == COUNTER ? "counter" : "gauge");
}

static void metric(FILE *out, const char *name, const char *help, enum metric_type type, uint64_t value)
{
	metric_head(out, name, help, type);
	fprintf(out, "%s %llu\n", name, (unsigned long long)value);
}

/* One family for all kinds of memory, so that they can be added up. The total is no kind. */
static void metrics_account(FILE *out, const char *name, const char *labels,
			    const struct cassin_memory_account *account)
{
	for (size_t i = 0; i < account_figures_count; i++) {
		const struct figure *f = &account_figures[i];
		if (strcmp(f->name, "total") != 0)
			fprintf(out, "%s{%skind=\"%s\"} %llu\n", name, labels, f->name,
				(unsigned long long)figure_of(f, account));
	}
}

static void metrics_memory(struct daemon *d, FILE *out)
{
	struct cassin_memory_account all;
	struct cassin_domain_account *domains = NULL;
	int n = cassin_engine_domains(d->engine, &domains);
	cassin_engine_account(d->engine, &all);
	metric_head(out, "cassin_memory_bytes", "Memory of the host, by what it is used for", GAUGE);
	metrics_account(out, "cassin_memory_bytes", "", &all);
	metric_head(out, "cassin_domain_memory_bytes", "Memory of the host, by domain and by what it is used for",
		    GAUGE);
	for (int i = 0; i < n; i++) {
		char labels[CASSIN_NAME_MAX + 16];
		snprintf(labels, sizeof labels, "domain=\"%s\",", domains[i].name);
		metrics_account(out, "cassin_domain_memory_bytes", labels, &domains[i].memory);
	}
	free(domains);
}

static void metrics_totals(struct daemon *d, FILE *out)
{
	struct cassin_engine_stats s;
	cassin_engine_stats(d->engine, &s);
	metric_head(out, "cassin_build_info", "The daemon's version", GAUGE);
	fprintf(out, "cassin_build_info{version=\"%s\"} 1\n", CASSIN_VERSION);
	metric_head(out, "cassin_backend_info", "What runs guests", GAUGE);
	fprintf(out, "cassin_backend_info{backend=\"%s\"} 1\n", cassin_engine_backend(d->engine));
	metric(out, "cassin_workers", "Host threads that run guests", GAUGE, s.workers);
	metric(out, "cassin_cells", "Cells: KVM virtual machines, or what processes share", GAUGE, s.cells);
	metric(out, "cassin_templates", "Templates", GAUGE, count_templates(d));
	for (size_t i = 0; i < engine_figures_count; i++) {
		const struct figure *f = &engine_figures[i];
		char name[96];
		snprintf(name, sizeof name, "cassin_%s%s", f->name, f->counter ? "_total" : "");
		metric(out, name, f->help, f->counter ? COUNTER : GAUGE, figure_of(f, &s));
	}
	metrics_memory(d, out);
	metric(out, "cassin_api_connections", "Open API connections", GAUGE, d->nconnections);
	metric(out, "cassin_api_requests_total", "API requests answered", COUNTER, d->requests);
	metric(out, "cassin_api_errors_total", "API requests answered with an error", COUNTER, d->errors);
	metric(out, "cassin_gateway_connections_total", "Streams handed over by the gateway", COUNTER,
	       d->gateway_connects);
}

/* A family's samples must stand together, so the guests' state is read once and written figure by figure. */
static void metrics_per_guest(struct daemon *d, FILE *out)
{
	uint64_t *ids = NULL;
	int n = cassin_engine_guest_list(d->engine, &ids);
	struct cassin_guest_status *all = n > 0 ? calloc((size_t)n, sizeof *all) : NULL;
	size_t count = 0;
	for (int i = 0; all && i < n; i++)
		if (cassin_engine_guest_status(d->engine, ids[i], &all[count]) == 0)
			count++;
	for (size_t i = 0; count && i < guest_figures_count; i++) {
		const struct figure *f = &guest_figures[i];
		char name[96];
		snprintf(name, sizeof name, "cassin_guest_%s%s", f->name, f->counter ? "_total" : "");
		metric_head(out, name, f->help, f->counter ? COUNTER : GAUGE);
		for (size_t k = 0; k < count; k++)
			fprintf(out, "%s{guest=\"%s\",domain=\"%s\"} %llu\n", name, all[k].name, all[k].domain,
				(unsigned long long)figure_of(f, &all[k].counters));
	}
	metric_head(out, "cassin_guest_memory_bytes", "Memory of the host, by what a guest uses it for", GAUGE);
	for (size_t k = 0; k < count; k++) {
		char labels[2 * CASSIN_NAME_MAX + 32];
		snprintf(labels, sizeof labels, "guest=\"%s\",domain=\"%s\",", all[k].name, all[k].domain);
		metrics_account(out, "cassin_guest_memory_bytes", labels, &all[k].memory);
	}
	free(all);
	free(ids);
}

void api_metrics(struct connection *c, const struct target *t)
{
	char *text = NULL;
	size_t len = 0;
	bool per_guest;
	if (target_flag(t, "per_guest", &per_guest) < 0) {
		reply_error(c, 400, "per_guest: must be 0 or 1");
		return;
	}
	FILE *out = open_memstream(&text, &len);
	if (!out) {
		reply_error(c, 507, "no memory for the metrics");
		return;
	}
	metrics_totals(c->daemon, out);
	if (per_guest)
		metrics_per_guest(c->daemon, out);
	fclose(out);
	reply_body(c, 200, "text/plain; version=0.0.4; charset=utf-8", "", text, len);
}
