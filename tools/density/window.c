/* SPDX-License-Identifier: MIT */
#include "window.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clients.h"
#include "histogram.h"
#include "metrics.h"

#define POLL_MS 50
#define GRACE_S 20 /* for a load client that is late */

struct moment {
	uint64_t at;
	struct counters counters;
	double host, load, descriptors;
};

struct window {
	struct system *s;
	struct clients clients;
	struct moment before, after;
	struct memory_kinds memory;
	struct histogram churn;
};

int window_base(struct system *s, struct window_base *base)
{
	host_memory_read(&base->host);
	base->group = memgroup_kib(&s->memory, &base->group_kernel);
	return s->calls->memory(s, &base->kinds);
}

static int moment_take(struct window *w, struct moment *m)
{
	*m = (struct moment){.host = host_busy_seconds(), .load = clients_cpu(&w->clients)};
	m->descriptors = w->s->calls->descriptors(w->s);
	m->at = now_ns();
	return w->s->calls->counters(w->s, &m->counters);
}

/* Replaces guests, if the scenario wants that, else waits a little. */
static int pass_time(struct window *w, bool measuring)
{
	struct system *s = w->s;
	uint64_t ns;
	bool churn = s->lab->scenario.churn && s->calls->churn;
	int result = lab_interrupted ? -EINTR : clients_poll(&w->clients, s, churn ? 0 : POLL_MS);
	bar_draw(&s->lab->bar);
	if (result < 0)
		return result;
	if (!churn) {
		if (!w->clients.count)
			usleep(POLL_MS * 1000);
		return 0;
	}
	result = s->calls->churn(s, &ns);
	if (result == 0 && measuring)
		histogram_add(&w->churn, ns);
	return result;
}

/* Without load clients the clock alone tells when the warm-up and the measurement are over. */
static bool over(const struct window *w, uint64_t began, double seconds, size_t of_clients)
{
	if (w->clients.count)
		return of_clients == w->clients.count;
	return (double)(now_ns() - began) / 1e9 >= seconds;
}

static int pass(struct window *w, double seconds, const size_t *of_clients, bool measuring)
{
	uint64_t began = now_ns();
	while (!over(w, began, seconds, *of_clients)) {
		int result = pass_time(w, measuring);
		if (result < 0)
			return result;
		if ((double)(now_ns() - began) / 1e9 > seconds + GRACE_S)
			return system_failed(w->s, "the load client does not come to an end");
	}
	return 0;
}

static void rates(const struct window *w, json_t *into)
{
	const struct counters *a = &w->before.counters, *b = &w->after.counters;
	double seconds = (double)(w->after.at - w->before.at) / 1e9;
	double cpu = b->cpu - a->cpu, guest = b->cpu_guest - a->cpu_guest, load = w->after.load - w->before.load;
	metric_set(into, "exits_per_s", (b->exits - a->exits) / seconds);
	metric_set(into, "hypercalls_per_s", (b->hypercalls - a->hypercalls) / seconds);
	metric_set(into, "switches_per_s", (b->switches - a->switches) / seconds);
	metric_set(into, "preemptions_per_s", (b->preemptions - a->preemptions) / seconds);
	if (w->s->command) {
		metric_set(into, "cpu_processes", cpu / seconds);
	} else {
		metric_set(into, "cpu_guest", guest / seconds);
		metric_set(into, "cpu_hypervisor", fmax(cpu - guest, 0) / seconds);
	}
	if (w->clients.count)
		metric_set(into, "cpu_load", load / seconds);
	metric_set(into, "cpu_other", fmax(w->after.host - w->before.host - cpu - load, 0) / seconds);
}

static void memory_metrics(const struct window *w, const struct window_base *base, json_t *into)
{
	const struct memory_kinds *a = &base->kinds, *b = &w->memory;
	struct host_memory host;
	double n = lab_all_guests(&w->s->lab->scenario, w->s->guests);
	host_memory_read(&host);
	double kernel, all = memgroup_kib(&w->s->memory, &kernel);
	metric_set(into, "memory_host_kib", fmax(base->host.available - host.available, 0) / n);
	metric_set(into, "memory_total_kib", (all - base->group) / n);
	if (isnan(kernel))
		metric_set(into, "memory_kernel_kib", fmax(host.kernel - base->host.kernel, 0) / n);
	metric_set(into, "memory_kernel_kib", (kernel - base->group_kernel) / n);
	metric_set(into, "memory_pages_kib", (b->pages - a->pages) / n);
	metric_set(into, "memory_shared_kib", (b->shared - a->shared) / n);
	metric_set(into, "memory_tables_kib", (b->tables - a->tables) / n);
	if (!isnan(b->own))
		metric_set(into, "memory_hypervisor_kib", fmax(b->own - a->own, 0) / n);
	metric_set(into, "memory_processes_kib", (b->processes - a->processes) / n);
}

static void churn_metrics(const struct window *w, json_t *into)
{
	double seconds = (double)(w->after.at - w->before.at) / 1e9;
	if (!w->churn.count)
		return;
	metric_set(into, "churn_per_s", (double)w->churn.count / seconds);
	metric_set(into, "churn_p50_us", (double)histogram_at(&w->churn, 0.5) / 1e3);
	metric_set(into, "churn_p99_us", (double)histogram_at(&w->churn, 0.99) / 1e3);
	const struct counters *a = &w->before.counters, *b = &w->after.counters;
	metric_set(into, "churn_frames",
		   b->used_frames - b->quarantined_frames - a->used_frames + a->quarantined_frames);
	metric_set(into, "churn_descriptors", w->after.descriptors - w->before.descriptors);
	metric_set(into, "churn_resident_kib", b->resident - a->resident);
}

/* From the warm-up's end to the measurement's. */
static int measure(struct window *w, json_t *into)
{
	struct system *s = w->s;
	const struct scenario *scenario = &s->lab->scenario;
	json_t *unused = json_object();
	int result = pass(w, scenario->warmup_s, &w->clients.measuring, false);
	if (result == 0 && s->calls->shares)
		s->calls->shares(s, unused);
	json_decref(unused);
	if (result == 0)
		result = moment_take(w, &w->before);
	if (result == 0)
		result = pass(w, scenario->measure_s, &w->clients.done, true);
	if (result == 0)
		result = moment_take(w, &w->after);
	if (result == 0 && s->calls->shares)
		s->calls->shares(s, into);
	if (result == 0)
		result = s->calls->memory(s, &w->memory);
	return result;
}

int window_measure(struct system *s, const struct window_base *base, json_t *into)
{
	struct window *w = calloc(1, sizeof *w);
	if (!w)
		return system_failed(s, "no memory");
	w->s = s;
	int result = clients_start(&w->clients, s);
	if (result == 0)
		result = measure(w, into);
	if (result == 0) {
		rates(w, into);
		memory_metrics(w, base, into);
		churn_metrics(w, into);
		clients_metrics(&w->clients, s, into);
	}
	clients_stop(&w->clients);
	free(w);
	return result;
}
