/* SPDX-License-Identifier: MIT */
/* The templates of an engine: made by booting a guest, found by name. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/time.h"
#include "engine/engine_account.h"
#include "engine/engine_private.h"
#include "guest/guest.h"
#include "guest/template.h"

/* The place of the template of that name; the list's end: there is none. */
static struct template **find_locked(struct cassin_engine *e, const char *name)
{
	struct template **link = &e->templates;
	while (*link && strcmp((*link)->name, name) != 0)
		link = &(*link)->next;
	return link;
}

struct template *template_find(struct cassin_engine *e, const char *name)
{
	pthread_mutex_lock(&e->lock);
	struct template *t = *find_locked(e, name);
	if (t)
		template_get(t);
	pthread_mutex_unlock(&e->lock);
	return t;
}

int cassin_engine_template_remove(struct cassin_engine *e, const char *name)
{
	pthread_mutex_lock(&e->lock);
	struct template **link = find_locked(e, name);
	struct template *t = *link;
	if (t)
		*link = t->next;
	pthread_mutex_unlock(&e->lock);
	template_put(t);
	return t ? 0 : -ENOENT;
}

void templates_drop(struct cassin_engine *e)
{
	while (e->templates) {
		struct template *t = e->templates;
		e->templates = t->next;
		template_put(t);
	}
}

static void describe(const struct template *t, struct cassin_template_status *s)
{
	*s = (struct cassin_template_status){
		.memory_bytes = t->memory,
		.pages = t->frozen->npages,
		.clones = atomic_load(&t->clones),
		.created_ns = t->created_ns,
	};
	snprintf(s->name, sizeof s->name, "%s", t->name);
	snprintf(s->domain, sizeof s->domain, "%s", t->domain);
	snprintf(s->image, sizeof s->image, "%s", t->path);
}

int cassin_engine_template_list(struct cassin_engine *e, struct cassin_template_status **out)
{
	int n = 0;
	pthread_mutex_lock(&e->lock);
	for (const struct template *t = e->templates; t; t = t->next)
		n++;
	*out = calloc((size_t)n + 1, sizeof **out);
	int at = 0;
	for (const struct template *t = e->templates; *out && t; t = t->next)
		describe(t, &(*out)[at++]);
	pthread_mutex_unlock(&e->lock);
	return *out ? n : -ENOMEM;
}

int cassin_engine_template_find(struct cassin_engine *e, const char *name, struct cassin_template_status *out)
{
	struct template *t = template_find(e, name);
	if (!t)
		return -ENOENT;
	describe(t, out);
	template_put(t);
	return 0;
}

/* ---- Making one ---- */

/* Waits until the guest that is to be frozen has ended. False: it still runs at the deadline. */
static bool await_end(struct cassin_engine *e, struct guest *g, uint64_t timeout_ns)
{
	uint64_t end = monotonic_ns() + timeout_ns;
	pthread_mutex_lock(&e->lock);
	while (g->record.state <= CASSIN_GUEST_RUNNING && monotonic_ns() < end) {
		struct timespec at = {.tv_sec = (time_t)(end / 1000000000u), .tv_nsec = (long)(end % 1000000000u)};
		pthread_cond_timedwait(&e->ended, &e->lock, &at);
	}
	bool ended = g->record.state > CASSIN_GUEST_RUNNING;
	pthread_mutex_unlock(&e->lock);
	return ended;
}

/* Why a guest that has ended is no template. */
static int explain(struct cassin_engine *e, struct guest *g, struct cassin_error_text *err)
{
	const char *name = g->spec.name;
	if (g->freezing->result == -EBUSY)
		return cassin_error_set(err, -EBUSY, "%s: cannot be frozen at its ready call: %s", name,
					g->freezing->why ? g->freezing->why : "no memory to say why");
	if (g->freezing->result == -ENOMEM)
		return engine_full(e, name, err);
	if (g->freezing->result)
		return cassin_error_set(err, g->freezing->result, "%s: cannot be frozen: %s", name,
					strerror(-g->freezing->result));
	pthread_mutex_lock(&e->lock);
	int r = g->record.state == CASSIN_GUEST_CRASHED
			? cassin_error_set(err, -ECHILD, "%s: crashed before its ready call: %.*s", name,
					   g->record.report ? (int)strcspn(g->record.report, "\n") : 0,
					   g->record.report ? g->record.report : "")
			: cassin_error_set(err, -ECHILD, "%s: ended with %d before its ready call", name,
					   g->record.exit_code);
	pthread_mutex_unlock(&e->lock);
	return r;
}

static int add(struct cassin_engine *e, struct template *t, struct cassin_error_text *err)
{
	pthread_mutex_lock(&e->lock);
	struct template **link = find_locked(e, t->name);
	bool taken = *link;
	if (!taken)
		*link = template_get(t);
	pthread_mutex_unlock(&e->lock);
	return taken ? cassin_error_set(err, -EEXIST, "%s: a template of that name exists", t->name) : 0;
}

int cassin_engine_template_create(struct cassin_engine *e, const struct cassin_guest_spec *spec, uint64_t timeout_ns,
				  struct cassin_template_status *made, struct cassin_error_text *err)
{
	struct cassin_guest_spec boot = *spec;
	struct guest *g;
	boot.nports = 0;
	boot.restart = CASSIN_RESTART_NO;
	pthread_mutex_lock(&e->lock);
	bool taken = spec->name && *find_locked(e, spec->name);
	pthread_mutex_unlock(&e->lock);
	if (taken)
		return cassin_error_set(err, -EEXIST, "%s: a template of that name exists", spec->name);
	int r = engine_spawn(e, &boot, &(struct spawn_how){.freeze = true}, &g, err);
	if (r)
		return r;
	if (!await_end(e, g, timeout_ns))
		r = cassin_error_set(err, -ETIMEDOUT, "%s: made no ready call within %llu s", spec->name,
				     (unsigned long long)(timeout_ns / 1000000000u));
	else
		r = g->freezing->made ? add(e, g->freezing->made, err) : explain(e, g, err);
	if (!r && made)
		describe(g->freezing->made, made);
	cassin_engine_guest_remove(e, g->id);
	guest_put(g);
	return r;
}
