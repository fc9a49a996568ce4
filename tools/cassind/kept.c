/* SPDX-License-Identifier: MIT */
#include "kept.h"

#include <stdlib.h>

#include "log.h"
#include "pool.h"
#include "state.h"

#define TEMPLATE_NS UINT64_C(30000000000)
#define LOOK_MS 1000
#define RUNNERS_MOST 16u /* of the threads that load; the rest are for spawns */

struct kept_guest {
	struct kept_guest *next;
	struct cassin_guest_spec spec;
};

/* Guests wait in one of two lists: those that are clones, until the templates are there. The cursor is the lock's. */
struct kept {
	struct daemon *daemon;
	void (*ready)(struct daemon *d);
	uv_timer_t timer;
	struct job reading, making;
	pthread_mutex_t lock;
	struct kept_guest *plain, **plain_end, *clones, **clones_end;
	unsigned under_way, runners;
	unsigned progress, progress_seen; /* templates and guests that are settled; the same at the last look */
	uint64_t idle_ms;
	bool reported;
};

struct runner {
	struct job job;
	struct kept *kept;
};

/* ---- Templates ---- */

struct making {
	struct kept *kept;
	bool clones; /* those made from other templates, whose turn comes when the others are there */
	bool last;   /* only tells which of them lack their template */
	unsigned made;
};

static bool template_exists(struct daemon *d, const char *name)
{
	struct cassin_template_status s;
	return cassin_engine_template_find(d->engine, name, &s) == 0;
}

static void settled(struct kept *k)
{
	pthread_mutex_lock(&k->lock);
	k->progress++;
	pthread_mutex_unlock(&k->lock);
}

static void make_template(void *opaque, const struct cassin_guest_spec *spec)
{
	struct making *m = opaque;
	struct daemon *d = m->kept->daemon;
	struct cassin_error_text err = {""};
	if (m->clones != !!spec->from_template || template_exists(d, spec->name) || atomic_load(&d->stopping))
		return;
	bool lacks = spec->from_template && !template_exists(d, spec->from_template);
	if (lacks && m->last)
		log_error("cannot make the kept template %s: no template is named %s", spec->name, spec->from_template);
	if (lacks || m->last)
		return;
	int result = cassin_engine_template_create(d->engine, spec, TEMPLATE_NS, NULL, &err);
	settled(m->kept);
	if (result < 0) {
		log_error("cannot make the kept template %s: %s", spec->name, err.text);
		return;
	}
	m->made++;
	log_info("made the kept template %s", spec->name);
}

static void make_templates(struct job *j)
{
	struct making m = {.kept = j->data};
	struct state *s = m.kept->daemon->state;
	state_each(s, STATE_TEMPLATE, make_template, &m);
	m.clones = true;
	do {
		m.made = 0;
		state_each(s, STATE_TEMPLATE, make_template, &m);
	} while (m.made);
	m.last = true;
	state_each(s, STATE_TEMPLATE, make_template, &m);
}

/* ---- Guests ---- */

static void note_guest(void *opaque, const struct cassin_guest_spec *spec)
{
	struct kept *k = opaque;
	struct kept_guest *g = calloc(1, sizeof *g);
	if (!g || cassin_spec_copy(&g->spec, spec) < 0) {
		log_error("cannot start the kept guest %s: no memory", spec->name);
		free(g);
		return;
	}
	struct kept_guest ***end = spec->from_template ? &k->clones_end : &k->plain_end;
	**end = g;
	*end = &g->next;
}

static void read_guests(struct job *j)
{
	struct kept *k = j->data;
	state_each(k->daemon->state, STATE_GUEST, note_guest, k);
}

static struct kept_guest *take(struct kept *k)
{
	pthread_mutex_lock(&k->lock);
	struct kept_guest *g = k->plain;
	if (g)
		k->plain = g->next;
	pthread_mutex_unlock(&k->lock);
	return g;
}

static void guest_free(struct kept_guest *g)
{
	cassin_spec_free(&g->spec);
	free(g);
}

static void start_guests(struct job *j)
{
	struct kept *k = ((struct runner *)j)->kept;
	struct kept_guest *g;
	while (!atomic_load(&k->daemon->stopping) && (g = take(k))) {
		struct cassin_error_text err = {""};
		uint64_t id;
		if (cassin_engine_guest_spawn(k->daemon->engine, &g->spec, &id, &err) < 0)
			log_error("cannot start the kept guest %s: %s", g->spec.name, err.text);
		else
			log_info("started the kept guest %s", g->spec.name);
		guest_free(g);
		settled(k);
	}
}

/* ---- On the loop ---- */

static void tell_ready(struct kept *k)
{
	if (!k->reported && !atomic_load(&k->daemon->stopping))
		k->ready(k->daemon);
	k->reported = true;
}

static void step_done(struct kept *k)
{
	if (--k->under_way)
		return;
	uv_timer_stop(&k->timer);
	tell_ready(k);
}

static void runner_done(struct job *j)
{
	struct runner *r = (struct runner *)j;
	struct kept *k = r->kept;
	free(r);
	k->runners--;
	step_done(k);
}

static void runner_start(struct kept *k)
{
	struct runner *r = k->runners < RUNNERS_MOST ? calloc(1, sizeof *r) : NULL;
	if (!r)
		return;
	r->kept = k;
	k->runners++;
	k->under_way++;
	pool_add(k->daemon->pool, LANE_LOAD, &r->job, start_guests, runner_done);
}

/* Clones go behind the others that still wait. */
static void on_made(struct job *j)
{
	struct kept *k = j->data;
	pthread_mutex_lock(&k->lock);
	struct kept_guest **end = &k->plain;
	while (*end)
		end = &(*end)->next;
	*end = k->clones;
	k->clones = NULL;
	pthread_mutex_unlock(&k->lock);
	runner_start(k);
	step_done(k);
}

static void on_read(struct job *j)
{
	struct kept *k = j->data;
	runner_start(k);
	k->under_way++;
	pool_add(k->daemon->pool, LANE_BOOT, &k->making, make_templates, on_made);
	step_done(k);
}

/* A guest's files cannot be read, or only slowly: those behind it get another thread. */
static void on_look(uv_timer_t *timer)
{
	struct kept *k = timer->data;
	pthread_mutex_lock(&k->lock);
	bool idle = k->progress == k->progress_seen, more = k->plain;
	k->progress_seen = k->progress;
	pthread_mutex_unlock(&k->lock);
	k->idle_ms = idle ? k->idle_ms + LOOK_MS : 0;
	if (idle && more)
		runner_start(k);
	if (k->idle_ms >= KEPT_PATIENCE_MS && !k->reported) {
		log_warn("some kept guests or templates have not come to be: their files cannot be read yet");
		tell_ready(k);
	}
}

void kept_start(struct daemon *d, void (*ready)(struct daemon *d))
{
	struct kept *k = calloc(1, sizeof *k);
	if (!k) {
		log_error("cannot start what was kept: no memory");
		ready(d);
		return;
	}
	d->kept = k;
	k->daemon = d;
	k->ready = ready;
	k->plain_end = &k->plain;
	k->clones_end = &k->clones;
	pthread_mutex_init(&k->lock, NULL);
	uv_timer_init(&d->loop, &k->timer);
	k->timer.data = k->reading.data = k->making.data = k;
	uv_timer_start(&k->timer, on_look, LOOK_MS, LOOK_MS);
	k->under_way = 1;
	pool_add(d->pool, LANE_LOAD, &k->reading, read_guests, on_read);
}

void kept_stop(struct daemon *d)
{
	if (d->kept)
		uv_close((uv_handle_t *)&d->kept->timer, NULL);
}

void kept_free(struct daemon *d)
{
	struct kept *k = d->kept;
	if (!k)
		return;
	for (unsigned list = 0; list < 2; list++) {
		struct kept_guest *g = list ? k->clones : k->plain;
		while (g) {
			struct kept_guest *next = g->next;
			guest_free(g);
			g = next;
		}
	}
	pthread_mutex_destroy(&k->lock);
	free(k);
}
