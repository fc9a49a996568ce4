// SPDX-License-Identifier: MIT
#include "daemon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log.h"
#include "state.h"

uint64_t daemon_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static int spawn_within_limit(struct daemon *d, const struct guest_spec *spec, uint64_t *id,
			      struct cassin_error_text *err)
{
	struct engine_stats s;
	int result;
	if (!d->max_guests)
		return engine_guest_spawn(d->engine, spec, id, err);
	pthread_mutex_lock(&d->admission);
	engine_stats(d->engine, &s);
	if (s.running >= d->max_guests)
		result = error_set(err, -EAGAIN, "%s: %u guests run already, and that is the limit", spec->name,
				   d->max_guests);
	else
		result = engine_guest_spawn(d->engine, spec, id, err);
	pthread_mutex_unlock(&d->admission);
	return result;
}

int daemon_guest_spawn(struct daemon *d, const struct guest_spec *spec, uint64_t *id, struct cassin_error_text *err)
{
	if (!d->state || spec->restart != RESTART_ALWAYS)
		return spawn_within_limit(d, spec, id, err);
	pthread_mutex_lock(&d->keeping); /* or it could be removed, and forgotten, before it is kept */
	int result = spawn_within_limit(d, spec, id, err);
	int kept = result < 0 ? result : state_keep(d->state, STATE_GUEST, spec, err);
	pthread_mutex_unlock(&d->keeping);
	if (result == 0 && kept < 0)
		engine_guest_remove(d->engine, *id);
	return kept;
}

int daemon_guest_remove(struct daemon *d, uint64_t id)
{
	struct guest_status s;
	pthread_mutex_lock(&d->keeping); /* while it is there, nobody else has its name */
	int result = engine_guest_status(d->engine, id, &s);
	if (result == 0 && d->state)
		state_forget(d->state, STATE_GUEST, s.name);
	pthread_mutex_unlock(&d->keeping);
	return result < 0 ? result : engine_guest_remove(d->engine, id);
}

int daemon_template_create(struct daemon *d, const struct guest_spec *spec, uint64_t timeout_ns,
			   struct cassin_error_text *err)
{
	int result = engine_template_create(d->engine, spec, timeout_ns, err);
	if (result < 0 || !d->state)
		return result;
	result = state_keep(d->state, STATE_TEMPLATE, spec, err);
	if (result < 0)
		engine_template_remove(d->engine, spec->name);
	return result;
}

int daemon_template_remove(struct daemon *d, const char *name)
{
	int result = engine_template_remove(d->engine, name);
	if (result == 0 && d->state)
		state_forget(d->state, STATE_TEMPLATE, name);
	return result;
}
