/* SPDX-License-Identifier: MIT */
#include "daemon.h"

#include <cassin/trace.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "pool.h"
#include "state.h"

#define PLACE_PATIENCE_NS UINT64_C(1000000000)

int daemon_loaders_free(struct daemon *d, struct cassin_error_text *err)
{
	uint64_t stuck = pool_stuck_ns(d->pool, LANE_LOAD);
	if (stuck < LOADERS_STUCK_NS)
		return 0;
	return cassin_error_set(
		err, -EAGAIN,
		"%u spawns are still reading their files, one for %llu s: no more are taken until one is done",
		pool_threads(LANE_LOAD), (unsigned long long)(stuck / 1000000000u));
}

/* ---- The limit of guests ---- */

static struct timespec later(uint64_t ns)
{
	ns += clock_ns(CLOCK_REALTIME);
	return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

/* Takes a place for a guest that is about to be spawned. One that is being spawned by another thread may be counted twice for a
 * moment, among the running too: that passes, unless its files cannot be read. */
static int place_take(struct daemon *d, const char *name, struct cassin_error_text *err)
{
	struct timespec end = later(PLACE_PATIENCE_NS);
	struct cassin_engine_stats s;
	int result = 0;
	pthread_mutex_lock(&d->admission);
	for (cassin_engine_stats(d->engine, &s); s.running < d->max_guests && s.running + d->spawning >= d->max_guests;
	     cassin_engine_stats(d->engine, &s))
		if (pthread_cond_timedwait(&d->spawned, &d->admission, &end))
			break;
	if (s.running >= d->max_guests)
		result = cassin_error_set(err, -EAGAIN, "%s: %u guests run already, and that is the limit", name,
					  d->max_guests);
	else if (s.running + d->spawning >= d->max_guests)
		result = cassin_error_set(err, -EAGAIN, "%s: %llu guests run and %u are being started: the limit is %u",
					  name, (unsigned long long)s.running, d->spawning, d->max_guests);
	else
		d->spawning++;
	pthread_mutex_unlock(&d->admission);
	return result;
}

static void place_leave(struct daemon *d)
{
	pthread_mutex_lock(&d->admission);
	d->spawning--;
	pthread_cond_broadcast(&d->spawned);
	pthread_mutex_unlock(&d->admission);
}

static int spawn(struct daemon *d, const struct cassin_guest_spec *spec, bool traced, uint64_t *id,
		 struct cassin_error_text *err)
{
	return traced ? cassin_engine_trace_spawn(d->engine, spec, id, NULL, err)
		      : cassin_engine_guest_spawn(d->engine, spec, id, err);
}

static int spawn_within_limit(struct daemon *d, const struct cassin_guest_spec *spec, bool traced, uint64_t *id,
			      struct cassin_error_text *err)
{
	if (!d->max_guests)
		return spawn(d, spec, traced, id, err);
	int result = place_take(d, spec->name, err);
	if (result < 0)
		return result;
	result = spawn(d, spec, traced, id, err);
	place_leave(d);
	return result;
}

/* ---- Guests and templates that are kept ---- */

/* A name whose kept spec is being made to agree with what is there, by one thread at a time: it may hang in the state folder's
 * file system, and then holds up its own name. In a list, on that thread's stack. */
struct keeping {
	struct keeping *next;
	enum state_kind kind;
	const char *name;
};

static bool is_being_kept(const struct daemon *d, const struct keeping *k)
{
	for (const struct keeping *other = d->keeping.first; other; other = other->next)
		if (other->kind == k->kind && !strcmp(other->name, k->name))
			return true;
	return false;
}

/* Waits until the name is no other thread's. */
static void keeping_begin(struct daemon *d, struct keeping *k, enum state_kind kind, const char *name)
{
	*k = (struct keeping){.kind = kind, .name = name};
	pthread_mutex_lock(&d->keeping.lock);
	while (is_being_kept(d, k))
		pthread_cond_wait(&d->keeping.left, &d->keeping.lock);
	k->next = d->keeping.first;
	d->keeping.first = k;
	pthread_mutex_unlock(&d->keeping.lock);
}

static void keeping_end(struct daemon *d, struct keeping *k)
{
	pthread_mutex_lock(&d->keeping.lock);
	struct keeping **link = &d->keeping.first;
	while (*link != k)
		link = &(*link)->next;
	*link = k->next;
	pthread_cond_broadcast(&d->keeping.left);
	pthread_mutex_unlock(&d->keeping.lock);
}

static bool is_kept(const struct daemon *d, const struct cassin_guest_status *s)
{
	return d->state && s->restart == CASSIN_RESTART_ALWAYS;
}

/* Keeps a guest that has just been spawned, unless it has been removed meanwhile: whoever removes it forgets it afterwards. */
static int keep(struct daemon *d, const struct cassin_guest_spec *spec, uint64_t id, struct cassin_error_text *err)
{
	struct cassin_guest_status s;
	struct keeping k;
	int result = 0;
	keeping_begin(d, &k, STATE_GUEST, spec->name);
	if (cassin_engine_guest_status(d->engine, id, &s) == 0)
		result = state_keep(d->state, STATE_GUEST, spec, err);
	keeping_end(d, &k);
	return result;
}

/* Unless another of its name is there by now. */
static void forget(struct daemon *d, const char *name)
{
	struct cassin_guest_status s;
	struct keeping k;
	uint64_t other;
	keeping_begin(d, &k, STATE_GUEST, name);
	if (cassin_engine_guest_find(d->engine, name, &other) < 0 ||
	    cassin_engine_guest_status(d->engine, other, &s) < 0 || !is_kept(d, &s))
		state_forget(d->state, STATE_GUEST, name);
	keeping_end(d, &k);
}

int daemon_guest_spawn(struct daemon *d, const struct cassin_guest_spec *spec, bool traced, uint64_t *id,
		       struct cassin_error_text *err)
{
	int result = spawn_within_limit(d, spec, traced, id, err);
	if (result < 0 || !d->state || spec->restart != CASSIN_RESTART_ALWAYS)
		return result;
	result = keep(d, spec, *id, err);
	if (result < 0)
		cassin_engine_guest_remove(d->engine, *id);
	return result;
}

int daemon_guest_remove(struct daemon *d, uint64_t id)
{
	struct cassin_guest_status s;
	int result = cassin_engine_guest_status(d->engine, id, &s);
	if (result == 0)
		result = cassin_engine_guest_remove(d->engine, id);
	if (result == 0 && is_kept(d, &s))
		forget(d, s.name);
	return result;
}

/* Whether there is still that one, rather than none or another of its name. */
static bool is_there(struct daemon *d, const struct cassin_template_status *t)
{
	struct cassin_template_status now;
	return cassin_engine_template_find(d->engine, t->name, &now) == 0 && now.created_ns == t->created_ns;
}

/* One that is removed before its spec is kept leaves nothing to be kept. */
int daemon_template_create(struct daemon *d, const struct cassin_guest_spec *spec, uint64_t timeout_ns,
			   struct cassin_error_text *err)
{
	struct cassin_template_status made;
	struct keeping k;
	int result = cassin_engine_template_create(d->engine, spec, timeout_ns, &made, err);
	if (result < 0 || !d->state)
		return result;
	keeping_begin(d, &k, STATE_TEMPLATE, spec->name);
	if (is_there(d, &made)) {
		result = state_keep(d->state, STATE_TEMPLATE, spec, err);
		if (result < 0)
			cassin_engine_template_remove(d->engine, spec->name);
	}
	keeping_end(d, &k);
	return result;
}

int daemon_template_remove(struct daemon *d, const char *name)
{
	struct keeping k;
	keeping_begin(d, &k, STATE_TEMPLATE, name);
	int result = cassin_engine_template_remove(d->engine, name);
	if (result == 0 && d->state)
		state_forget(d->state, STATE_TEMPLATE, name);
	keeping_end(d, &k);
	return result;
}
