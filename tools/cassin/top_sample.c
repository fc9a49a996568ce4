/* SPDX-License-Identifier: MIT */
/* Samples: the daemon's guests and totals at a moment, and rates between two. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "answer.h"
#include "../common/command.h"
#include "top.h"

#define PAGE_BYTES 4096u
#define GUEST_DEPTH 3 /* brackets open within {"guests": [{ */

/* Takes the list of guests apart as it comes, so that only one of them is ever held as JSON. */
struct list_reader {
	struct top_sample *sample;
	char *text; /* the guest that is being read */
	size_t len, room;
	int depth;
	bool in_string, escaped, failed;
};

void top_sample_free(struct top_sample *s)
{
	if (s)
		free(s->guests);
	free(s);
}

/* ---- The list ---- */

static unsigned state_index(struct top_sample *s, const char *name)
{
	unsigned i = 0;
	while (i < s->nstates && strcmp(s->states[i].name, name) != 0)
		i++;
	if (i == TOP_STATES)
		return i - 1;
	if (i == s->nstates) {
		snprintf(s->states[i].name, sizeof s->states[i].name, "%s", name);
		s->nstates++;
	}
	s->states[i].count++;
	return i;
}

/* As `cassin ps` has it. */
static const char *state_of(const json_t *guest)
{
	const char *state = answer_text(guest, "state");
	return !strcmp(state, "running") && !json_is_true(json_object_get(guest, "ready")) ? "booting" : state;
}

static bool add_guest(struct top_sample *s, const json_t *o)
{
	static const char *const names[TOP_COUNTERS] = {
		[TOP_CPU] = "virtual_ns", [TOP_EXITS] = "exits",   [TOP_ACCEPTED] = "accepted",
		[TOP_IN] = "bytes_in",    [TOP_OUT] = "bytes_out",
	};
	if (s->count == s->room) {
		size_t room = s->room ? 2 * s->room : 256;
		struct top_guest *more = reallocarray(s->guests, room, sizeof *more);
		if (!more)
			return false;
		s->guests = more;
		s->room = room;
	}
	struct top_guest *g = &s->guests[s->count++];
	*g = (struct top_guest){
		.id = answer_number(o, "id"),
		.state = state_index(s, state_of(o)),
		.restarts = answer_number(o, "restarts"),
		.used_bytes = answer_number(o, "used_bytes"),
		.memory_bytes = answer_number(o, "memory_bytes"),
		.uptime_ns = answer_number(o, "uptime_ns"),
	};
	snprintf(g->name, sizeof g->name, "%s", answer_text(o, "name"));
	snprintf(g->domain, sizeof g->domain, "%s", answer_text(o, "domain"));
	for (int i = 0; i < TOP_COUNTERS; i++)
		g->counters[i] = answer_number(json_object_get(o, "counters"), names[i]);
	return true;
}

static void guest_read(struct list_reader *r)
{
	json_t *o = json_loadb(r->text, r->len, 0, NULL);
	if (!o || !add_guest(r->sample, o))
		r->failed = true;
	json_decref(o);
	r->len = 0;
}

static bool keep(struct list_reader *r, char c)
{
	if (r->len == r->room) {
		size_t room = r->room ? 2 * r->room : 1024;
		char *more = realloc(r->text, room);
		if (!more)
			return false;
		r->text = more;
		r->room = room;
	}
	r->text[r->len++] = c;
	return true;
}

static void list_piece(void *opaque, const char *bytes, size_t len)
{
	struct list_reader *r = opaque;
	for (size_t i = 0; i < len && !r->failed; i++) {
		char c = bytes[i];
		bool closes = false;
		if (r->in_string) {
			r->in_string = c != '"' || r->escaped;
			r->escaped = c == '\\' && !r->escaped;
		} else if (c == '"') {
			r->in_string = true;
		} else if (c == '{' || c == '[') {
			r->depth++;
		} else {
			closes = c == '}' || c == ']';
		}
		if (r->depth >= GUEST_DEPTH && !keep(r, c))
			r->failed = true;
		if (closes && r->depth-- == GUEST_DEPTH && !r->failed)
			guest_read(r);
	}
}

static int by_id(const void *a, const void *b)
{
	const struct top_guest *one = a, *two = b;
	return (one->id > two->id) - (one->id < two->id);
}

static bool take_guests(struct top_sample *s, struct client *c)
{
	struct list_reader reader = {.sample = s};
	struct response r;
	s->at = now_ns();
	int result = client_request(c, "GET", "/v1/guests", NULL, list_piece, &reader, &r);
	free(reader.text);
	if (result < 0)
		return false;
	if (r.status >= 400)
		client_report_error(&r, NULL);
	else if (reader.failed || r.truncated)
		command_failed(r.truncated ? "the daemon closed the connection before it answered"
					   : "the daemon's list of guests cannot be read");
	free(r.body);
	for (size_t i = 1; i < s->count; i++) {
		if (s->guests[i - 1].id > s->guests[i].id) {
			qsort(s->guests, s->count, sizeof *s->guests, by_id);
			break;
		}
	}
	return r.status < 400 && !reader.failed && !r.truncated;
}

/* ---- Totals ---- */

/* CPU time of a process on this host; 0 if it is no daemon that we can see. */
static uint64_t daemon_time(uint64_t pid)
{
	char path[64], name[32] = "";
	clockid_t id;
	struct timespec t;
	snprintf(path, sizeof path, "/proc/%llu/comm", (unsigned long long)pid);
	FILE *comm = fopen(path, "re");
	if (!comm)
		return 0;
	bool is = fgets(name, sizeof name, comm) && !strcmp(name, "cassind\n");
	fclose(comm);
	if (!is || clock_getcpuclockid((pid_t)pid, &id) || clock_gettime(id, &t))
		return 0;
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static bool take_totals(struct top_sample *s, struct client *c)
{
	json_t *stats = client_json(c, "GET", "/v1/stats", NULL);
	json_t *version = stats ? client_json(c, "GET", "/v1/version", NULL) : NULL;
	if (version) {
		s->workers = answer_number(stats, "workers");
		s->pool_bytes = answer_number(stats, "pool_frames") * PAGE_BYTES;
		s->used_bytes = answer_number(stats, "used_frames") * PAGE_BYTES;
		s->uptime_ns = answer_number(stats, "uptime_ns");
		s->exits = answer_number(stats, "exits");
		s->switches = answer_number(stats, "switches");
		s->daemon_ns = daemon_time(answer_number(version, "pid"));
	}
	json_decref(stats);
	json_decref(version);
	return version != NULL;
}

struct top_sample *top_sample_take(void)
{
	struct client *c = client_open();
	struct top_sample *s = c ? calloc(1, sizeof *s) : NULL;
	bool taken = s && take_totals(s, c) && take_guests(s, c);
	if (c && !s)
		command_failed("no memory");
	if (c)
		client_close(c);
	if (taken)
		return s;
	top_sample_free(s);
	return NULL;
}

/* ---- Rates ---- */

static double rate(uint64_t now, uint64_t before, double seconds)
{
	return now > before ? (double)(now - before) / seconds : 0;
}

/* What `before` is NULL for began within the time looked at. */
static void guest_rates(struct top_sample *s, struct top_guest *g, const struct top_guest *before, double seconds)
{
	for (int i = 0; i < TOP_COUNTERS; i++) {
		g->rates[i] = rate(g->counters[i], before ? before->counters[i] : 0, seconds);
		if (i == TOP_CPU)
			g->rates[i] /= NS_PER_S;
		s->sums[i] += g->rates[i];
	}
}

void top_sample_rates(struct top_sample *s, const struct top_sample *before)
{
	s->span = s->at > before->at ? s->at - before->at : 1;
	double seconds = (double)s->span / NS_PER_S;
	size_t k = 0;
	for (size_t i = 0; i < s->count; i++) {
		while (k < before->count && before->guests[k].id < s->guests[i].id)
			k++;
		bool known = k < before->count && before->guests[k].id == s->guests[i].id;
		guest_rates(s, &s->guests[i], known ? &before->guests[k] : NULL, seconds);
	}
	s->exit_rate = rate(s->exits, before->exits, seconds);
	s->switch_rate = rate(s->switches, before->switches, seconds);
	s->daemon_cpu = before->daemon_ns ? rate(s->daemon_ns, before->daemon_ns, seconds) / NS_PER_S : 0;
}
