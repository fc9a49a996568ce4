/* SPDX-License-Identifier: MIT */
/* Cassin as a system under test: a private daemon and its guests. Guest i of a group is GROUP-(i / BATCH)-(i % BATCH),
 * because a batch of the API counts from 0. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api.h"
#include "histogram.h"
#include "metrics.h"
#include "../common/resource.h"

#define BATCH 256u
#define SINGLE_LEAST 64u /* spawns of a step that are timed one by one */
#define BATCH_WAIT_MS 60000
#define PARK_SLACK_MS 1500u
#define LOOK_MS 100u
#define DOWN 507u /* the status that says that memory or descriptors are out */

struct cassin {
	struct system system;
	struct private_daemon daemon;
	unsigned have[SCENARIO_GROUPS_MAX];
	char *images[SCENARIO_GROUPS_MAX];
	unsigned churned, oldest; /* of the first group: spawned behind the step's; removed */
	bool was_full;            /* the pool, while the present step was spawned */
	struct histogram spawns;
	double *virtual_ns[SCENARIO_GROUPS_MAX]; /* of fairness groups, as last asked for */
};

static struct cassin *cassin_of(struct system *s)
{
	return (struct cassin *)s;
}

static const struct group *group_of(struct system *s, size_t i)
{
	return &s->lab->scenario.groups[i];
}

/* ---- Specs ---- */

static json_t *group_spec(struct cassin *c, size_t group, unsigned i)
{
	const struct group *g = group_of(&c->system, group);
	json_t *spec = json_object();
	if (g->clones)
		json_object_set_new(spec, "template", json_string(g->name));
	else
		json_object_set_new(spec, "image", json_string(c->images[group]));
	if (*g->memory && !g->clones)
		json_object_set_new(spec, "memory", json_string(g->memory));
	if (g->args && !g->clones)
		json_object_set(spec, "args", (json_t *)g->args);
	if (*g->domain)
		json_object_set_new(spec, "domain", json_string(g->domain));
	if (*g->isolation)
		json_object_set_new(spec, "isolation", json_string(g->isolation));
	if (*g->cpu_max)
		json_object_set_new(spec, "cpu_max", json_string(g->cpu_max));
	if (g->weight_count)
		json_object_set_new(spec, "weight", json_integer((json_int_t)g->weights[i % g->weight_count]));
	return spec;
}

static json_t *port_pair(const struct group *g, unsigned i)
{
	return json_pack("[{s:o, s:i}]", "host", json_sprintf("tcp:127.0.0.1:%u", g->host_port + i), "guest",
			 (int)g->port);
}

/* ---- Spawning ---- */

/* A status of the API as a result of ours. */
static int refused(unsigned status)
{
	return status == DOWN ? -ENOMEM : -EIO;
}

static int spawn_one(struct cassin *c, size_t group, unsigned i, uint64_t *ns)
{
	const struct group *g = group_of(&c->system, group);
	json_t *spec = group_spec(c, group, i);
	unsigned status;
	json_object_set_new(spec, "name", json_sprintf("%s-%u-%u", g->name, i / BATCH, i % BATCH));
	if (g->host_port)
		json_object_set_new(spec, "ports", port_pair(g, i));
	uint64_t began = now_ns();
	json_t *answer = api_ask(&c->daemon, &c->system, "POST", "/v1/guests", spec, &status);
	*ns = now_ns() - began;
	json_decref(answer);
	return answer ? 0 : refused(status);
}

static int spawn_batch(struct cassin *c, size_t group, unsigned first, unsigned count)
{
	const struct group *g = group_of(&c->system, group);
	unsigned status;
	json_t *body = json_pack("{s:o, s:i, s:i, s:o}", "name_prefix", json_sprintf("%s-%u", g->name, first / BATCH),
				 "count", (int)count, "wait_ms", BATCH_WAIT_MS, "spec", group_spec(c, group, 0));
	if (g->host_port)
		json_object_set_new(body, "port_base", port_pair(g, first));
	if (c->system.lab->scenario.park_s) /* it is tried again when others are parked */
		json_object_set_new(body, "atomic", json_true());
	json_t *answer = api_ask(&c->daemon, &c->system, "POST", "/v1/spawn", body, &status);
	if (!answer)
		return refused(status);
	const json_t *failed = json_object_get(answer, "failed"), *one = json_array_get(failed, 0);
	const char *why = json_string_value(json_object_get(one, "error"));
	int result = 0;
	if (why) {
		system_failed(&c->system, "guest %s: %s", json_string_value(json_object_get(one, "name")), why);
		result = strstr(why, "pool") || strstr(why, "memory") || strstr(why, "descriptor") ? -ENOMEM : -EIO;
	}
	json_decref(answer);
	return result;
}

/* How many of a group's guests are spawned one by one: some, for their times; and up to where a batch may begin. */
static unsigned singles(const struct group *g, unsigned have, unsigned want)
{
	unsigned n = want - have < SINGLE_LEAST ? want - have : SINGLE_LEAST;
	if (g->weight_count)
		return want - have;
	unsigned odd = (have + n) % BATCH;
	n += odd ? BATCH - odd : 0;
	return n < want - have ? n : want - have;
}

static double number(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static double used_frames(struct cassin *c)
{
	unsigned status;
	json_t *o = api_ask(&c->daemon, &c->system, "GET", "/v1/stats", NULL, &status);
	double used = o ? number(o, "used_frames") - number(o, "quarantined_frames") : INFINITY;
	json_decref(o);
	return used;
}

/* The pool is full; guests that wait are parked soon, and then there may be room again. -ENOMEM: there is not. */
static int await_room(struct cassin *c)
{
	struct system *s = &c->system;
	unsigned most = s->lab->scenario.park_s * 1000 + PARK_SLACK_MS;
	char why[sizeof s->why];
	int result = s->lab->scenario.park_s ? 0 : -ENOMEM;
	if (result < 0)
		return result;
	memcpy(why, s->why, sizeof why);
	double before = used_frames(c);
	for (unsigned ms = 0; result == 0 && ms < most; ms += LOOK_MS) {
		usleep(LOOK_MS * 1000);
		result = lab_check(s);
	}
	if (result == 0 && used_frames(c) >= before) {
		memcpy(s->why, why, sizeof why);
		result = -ENOMEM;
	}
	return result;
}

static int grow_group(struct cassin *c, size_t group, unsigned want, double *batched, double *seconds)
{
	struct system *s = &c->system;
	unsigned alone = singles(group_of(s, group), c->have[group], want);
	int result = 0;
	unsigned singly = 0; /* that are up: one that found no room is tried again, or a batch would begin too early */
	while (result == 0 && c->have[group] < want) {
		result = lab_check(s);
		if (result < 0)
			break;
		uint64_t began = now_ns(), ns;
		unsigned n = want - c->have[group] < BATCH ? want - c->have[group] : BATCH;
		if (singly < alone || n == 1) { /* a batch of one would have no number in its name */
			result = spawn_one(c, group, c->have[group], &ns);
			n = 1;
			if (result == 0) {
				histogram_add(&c->spawns, ns);
				singly++;
			}
		} else {
			result = spawn_batch(c, group, c->have[group], n);
			*batched += n;
			*seconds += (double)(now_ns() - began) / 1e9;
		}
		if (result == 0)
			c->have[group] += n;
		else if (result == -ENOMEM) {
			c->was_full = true;
			result = await_room(c);
		}
		bar_say(&s->lab->bar, "%s: %u of %u guests", s->name, c->have[group], want);
	}
	return result;
}

static int make_template(struct cassin *c, size_t group)
{
	const struct group *g = group_of(&c->system, group);
	unsigned status;
	json_t *body = json_pack("{s:s, s:s}", "name", g->name, "image", c->images[group]);
	if (*g->memory)
		json_object_set_new(body, "memory", json_string(g->memory));
	if (g->args)
		json_object_set(body, "args", (json_t *)g->args);
	json_t *answer = api_ask(&c->daemon, &c->system, "POST", "/v1/templates", body, &status);
	json_decref(answer);
	return answer ? 0 : -EIO;
}

/* With churn, numbers of guests run on: what was there is replaced by as many behind it. */
static unsigned offset(const struct cassin *c, size_t group)
{
	return group == 0 ? c->churned : 0;
}

static int cassin_grow(struct system *s, unsigned guests, json_t *into)
{
	struct cassin *c = cassin_of(s);
	const struct scenario *scenario = &s->lab->scenario;
	double batched = 0, seconds = 0;
	unsigned before = s->guests;
	uint64_t began = now_ns();
	int result = 0;
	memset(&c->spawns, 0, sizeof c->spawns);
	c->was_full = false;
	for (size_t i = 0; result == 0 && i < scenario->group_count; i++)
		result = grow_group(c, i, scenario_group_size(scenario, i, guests) + offset(c, i), &batched, &seconds);
	if (c->spawns.count) {
		metric_set(into, "spawn_p50_us", (double)histogram_at(&c->spawns, 0.5) / 1e3);
		metric_set(into, "spawn_p99_us", (double)histogram_at(&c->spawns, 0.99) / 1e3);
	}
	if (batched > 0)
		metric_set(into, "spawn_per_s", batched / seconds);
	s->guests = guests;
	if (result == 0) {
		s->lab->spawn_s = (double)(now_ns() - began) / 1e9 / (guests - before);
		if (c->was_full) /* who is asked next needs room to wake up */
			await_room(c);
		return 0;
	}
	unsigned all = 0;
	for (size_t i = 0; i < scenario->group_count; i++)
		all += scenario->groups[i].share > 0 ? c->have[i] - offset(c, i) : 0;
	s->guests = all;
	return result;
}

static int cassin_churn(struct system *s, uint64_t *ns)
{
	struct cassin *c = cassin_of(s);
	char target[96];
	unsigned status;
	uint64_t began = now_ns(), unused;
	snprintf(target, sizeof target, "/v1/guests/%s-%u-%u", group_of(s, 0)->name, c->oldest / BATCH,
		 c->oldest % BATCH);
	json_t *answer = api_ask(&c->daemon, s, "DELETE", target, NULL, &status);
	if (!answer)
		return -EIO;
	json_decref(answer);
	c->oldest++;
	int result = spawn_one(c, 0, c->have[0], &unused);
	*ns = now_ns() - began;
	if (result == 0) {
		c->have[0]++;
		c->churned++;
	}
	return result;
}

/* ---- Figures ---- */

static int cassin_counters(struct system *s, struct counters *k)
{
	struct cassin *c = cassin_of(s);
	unsigned status;
	json_t *o = api_ask(&c->daemon, s, "GET", "/v1/stats", NULL, &status);
	if (!o)
		return -EIO;
	*k = (struct counters){.exits = number(o, "exits"),
			       .hypercalls = number(o, "hypercalls"),
			       .switches = number(o, "switches"),
			       .preemptions = number(o, "preemptions"),
			       .used_frames = number(o, "used_frames"),
			       .image_frames = number(o, "image_frames"),
			       .quarantined_frames = number(o, "quarantined_frames"),
			       .resident = process_pss(c->daemon.child.pid)};
	k->cpu = process_cpu_seconds(c->daemon.child.pid, &k->cpu_guest);
	json_decref(o);
	return 0;
}

static int cassin_memory(struct system *s, struct memory_kinds *k)
{
	struct cassin *c = cassin_of(s);
	struct counters totals;
	unsigned status;
	size_t i;
	json_t *guest;
	double frames = 0, tables = 0;
	int result = cassin_counters(s, &totals);
	json_t *list = result < 0 ? NULL : api_ask(&c->daemon, s, "GET", "/v1/guests", NULL, &status);
	if (!list)
		return -EIO;
	json_array_foreach (json_object_get(list, "guests"), i, guest) {
		const json_t *counters = json_object_get(guest, "counters");
		frames += number(counters, "frames");
		tables += number(counters, "table_frames");
	}
	json_decref(list);
	double own = totals.resident - totals.used_frames * 4;
	*k = (struct memory_kinds){.pages = frames * 4,
				   .shared = totals.image_frames * 4,
				   .tables = tables * 4,
				   .own = own > 0 ? own : 0,
				   .processes = NAN};
	return 0;
}

static double cassin_descriptors(struct system *s)
{
	return process_descriptors(cassin_of(s)->daemon.child.pid);
}

/* The guest's number, from its name "GROUP-BATCH-INDEX". */
static unsigned index_of(const char *name)
{
	unsigned batch = 0, i = 0;
	const char *at = name ? strchr(name, '-') : NULL;
	if (at)
		sscanf(at, "-%u-%u", &batch, &i);
	return batch * BATCH + i;
}

/* Each guest's time on a CPU since the last call, by its weight, into shares[]. Returns their sum. */
static double group_shares(struct cassin *c, size_t group, double *shares)
{
	const struct group *g = group_of(&c->system, group);
	char target[96];
	unsigned status;
	size_t k;
	json_t *guest;
	double sum = 0;
	snprintf(target, sizeof target, "/v1/guests?match=%s-*", g->name);
	json_t *list = api_ask(&c->daemon, &c->system, "GET", target, NULL, &status);
	json_array_foreach (json_object_get(list, "guests"), k, guest) {
		unsigned i = index_of(json_string_value(json_object_get(guest, "name")));
		if (i >= c->have[group])
			continue;
		double ns = number(json_object_get(guest, "counters"), "virtual_ns");
		shares[i] = (ns - c->virtual_ns[group][i]) / (g->weight_count ? g->weights[i % g->weight_count] : 1);
		c->virtual_ns[group][i] = ns;
		sum += shares[i];
	}
	json_decref(list);
	return sum;
}

static void cassin_shares(struct system *s, json_t *into)
{
	struct cassin *c = cassin_of(s);
	double worst = 0, sum = 0, squares = 0, n = 0;
	for (size_t i = 0; i < s->lab->scenario.group_count; i++) {
		unsigned have = c->have[i];
		if (!group_of(s, i)->fairness || !have)
			continue;
		if (!c->virtual_ns[i])
			c->virtual_ns[i] = calloc(SCENARIO_GUESTS_MAX, sizeof(double));
		double *shares = calloc(have, sizeof *shares);
		double mean = shares && c->virtual_ns[i] ? group_shares(c, i, shares) / have : 0;
		for (unsigned k = 0; mean > 0 && k < have; k++) {
			double x = shares[k] / mean;
			worst = fmax(worst, fabs(x - 1));
			sum += x;
			squares += x * x;
			n++;
		}
		free(shares);
	}
	if (n > 1 && squares > 0) {
		metric_set(into, "fairness_error", worst);
		metric_set(into, "fairness_index", sum * sum / (n * squares));
	}
}

static void cassin_target(struct system *s, size_t group, struct target *t)
{
	struct cassin *c = cassin_of(s);
	const struct group *g = group_of(s, group);
	*t = (struct target){.base = g->host_port, .port = g->port, .batch = BATCH, .prefix = g->name};
	if (!g->host_port)
		snprintf(t->gateway, sizeof t->gateway, "%s.gw", c->daemon.socket);
}

/* ---- Beginning and end ---- */

/* Which backend the daemon has, beside what the report says of the host. */
static void note_backend(struct cassin *c, struct lab *lab)
{
	json_t *version = client_json(c->daemon.client, "GET", "/v1/version", NULL), *host;
	host = json_object_get(lab->results, "host");
	json_object_set(host, "backend", json_object_get(version, "backend"));
	json_decref(version);
}

static int cassin_start(struct system *s)
{
	struct cassin *c = cassin_of(s);
	const struct scenario *scenario = &s->lab->scenario;
	int result = 0;
	memset(c->have, 0, sizeof c->have);
	c->churned = c->oldest = 0;
	s->guests = 0;
	for (size_t i = 0; i < scenario->group_count; i++) {
		if (!c->images[i])
			c->images[i] = resource_guest(scenario->groups[i].image, s->lab->examples);
		if (!c->images[i])
			return system_failed(s, "no image is named %s: build the examples, or say --examples DIR",
					     scenario->groups[i].image);
		if (c->virtual_ns[i])
			memset(c->virtual_ns[i], 0, SCENARIO_GUESTS_MAX * sizeof(double));
	}
	result = private_daemon_start(&c->daemon, s);
	if (result == 0)
		note_backend(c, s->lab);
	for (size_t i = 0; result == 0 && i < scenario->group_count; i++)
		if (scenario->groups[i].clones)
			result = make_template(c, i);
	return result;
}

static void cassin_stop(struct system *s)
{
	private_daemon_stop(&cassin_of(s)->daemon);
}

static void cassin_free(struct system *s)
{
	struct cassin *c = cassin_of(s);
	for (size_t i = 0; i < SCENARIO_GROUPS_MAX; i++) {
		free(c->images[i]);
		free(c->virtual_ns[i]);
	}
	free(c);
}

struct system *cassin_system(struct lab *lab)
{
	static const struct system_calls calls = {.start = cassin_start,
						  .grow = cassin_grow,
						  .target = cassin_target,
						  .counters = cassin_counters,
						  .memory = cassin_memory,
						  .shares = cassin_shares,
						  .churn = cassin_churn,
						  .descriptors = cassin_descriptors,
						  .stop = cassin_stop,
						  .free = cassin_free};
	struct cassin *c = calloc(1, sizeof *c);
	if (c)
		c->system = (struct system){.calls = &calls, .lab = lab, .name = "cassin"};
	return c ? &c->system : NULL;
}
