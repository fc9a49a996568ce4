/* SPDX-License-Identifier: MIT */
/* What the outside does to guests: spawn, kill, stop, restart, remove, feed, connect. Never on a worker's thread. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/container.h"
#include "base/time.h"
#include "device/console.h"
#include "device/stream_table.h"
#include "engine/engine_account.h"
#include "engine/owner_call.h"
#include "engine/engine_private.h"
#include "guest/device.h"
#include "guest/guest.h"
#include "guest/template.h"
#include "guest/trace_records.h"
#include "image/files.h"
#include "run/debugger.h"
#include "run/life.h"
#include "run/parking.h"

#define CONNECT_PATIENCE_NS UINT64_C(2000000000)
#define CONNECT_RETRY_US 5000
#define REMOVE_PATIENCE_NS UINT64_C(1000000000) /* with the files of ports at paths */

/* ---- Spawn ---- */

static void on_start(struct guest *g, struct guest_call *c)
{
	free(c);
	if (g->debugger)
		debug_hold(g, SIGTRAP);
	else
		guest_start(g);
}

/* The worker with the fewest guests. */
static struct worker *choose_worker(struct cassin_engine *e)
{
	struct worker *best = &e->workers.all[0];
	for (unsigned i = 1; i < e->workers.n; i++) {
		if (atomic_load(&e->workers.all[i].guests) < atomic_load(&best->guests))
			best = &e->workers.all[i];
	}
	return best;
}

static int admit(struct cassin_engine *e, struct guest *g, struct cassin_error_text *err)
{
	uint64_t most = guest_most(g);
	int r = engine_commit(e, most, g->spec.name, err);
	if (r)
		return r;
	g->committed = most;
	pthread_mutex_lock(&e->lock);
	g->id = atomic_fetch_add(&e->next_id, 1) + 1;
	r = registry_add(&e->registry, g);
	pthread_mutex_unlock(&e->lock);
	if (r)
		engine_uncommit(e, most);
	return r ? cassin_error_set(err, r, "%s: a guest of that name exists", g->spec.name) : 0;
}

static void dismiss(struct cassin_engine *e, struct guest *g)
{
	engine_uncommit(e, g->committed);
	pthread_mutex_lock(&e->lock);
	registry_remove(&e->registry, g);
	g->record.removed = true;
	pthread_cond_broadcast(&e->ended); /* who found it by name while it was being made waits in call_owner() */
	pthread_mutex_unlock(&e->lock);
}

/* Ports, cell and memory. On failure nothing is held but what guest_put() frees. */
static int acquire_parts(struct cassin_engine *e, struct guest *g, struct cassin_error_text *err)
{
	int r = guest_ports_open(g, err);
	if (r)
		return r;
	r = engine_cell_take(e, &g->spec, &g->cell, err);
	if (r) {
		guest_ports_undo(g);
		return r;
	}
	atomic_store(&g->cell_number, g->cell->number);
	r = guest_begin(g, err);
	if (r) {
		guest_ports_undo(g);
		engine_cell_leave(e, g->cell);
		g->cell = NULL;
	}
	return r == -ENOMEM ? engine_full(e, g->spec.name, err) : r;
}

static void launch(struct cassin_engine *e, struct guest *g, struct guest_call *c)
{
	struct worker *w = choose_worker(e);
	atomic_fetch_add(&w->guests, 1);
	pthread_mutex_lock(&e->lock);
	engine_started_locked(e, g);
	guest_post_first(w, g, c, on_start); /* whoever sees its worker comes after this */
	pthread_cond_broadcast(&e->ended);
	pthread_mutex_unlock(&e->lock);
	atomic_fetch_add(&e->spawns, 1);
}

/* What it boots from, or is cloned from. */
static int find_image_or_template(struct cassin_engine *e, const struct cassin_guest_spec *spec, struct image **image,
				  struct template **t, struct cassin_error_text *err)
{
	*t = NULL;
	if (!spec->from_template)
		return image_cache_get(&e->images, spec->image, image, err);
	*t = template_find(e, spec->from_template);
	if (!*t)
		return cassin_error_set(err, -ENOENT, "%s: template %s: no such template", spec->name,
					spec->from_template);
	if (spec->domain && strcmp((*t)->domain, spec->domain) != 0) {
		int r = cassin_error_set(err, -EACCES, "%s: template %s: belongs to the domain %s", spec->name,
					 spec->from_template, (*t)->domain);
		template_put(*t);
		return r;
	}
	*image = image_get((*t)->image);
	return 0;
}

/* Who looks on from the first instruction. */
static void watch(struct guest *g, const struct spawn_how *how, struct cassin_trace *t)
{
	struct cassin_debugger *d = how->debugger;
	if (t)
		engine_trace_attach(g, t);
	if (t && how->trace) {
		atomic_fetch_add(&g->refs, 1);
		t->guest = g;
		*how->trace = t;
	}
	if (d) {
		atomic_fetch_add(&g->refs, 1);
		d->guest = g;
		d->spawned = true;
		debug_take(g, d);
	}
}

static int spawn(struct cassin_engine *e, const struct cassin_guest_spec *spec, const struct spawn_how *how,
		 struct guest **out, struct cassin_error_text *err)
{
	struct image *image;
	struct template *t;
	int r = cassin_spec_check(spec, "spec", err);
	r = r ? r : find_image_or_template(e, spec, &image, &t, err);
	if (r)
		return r;
	struct guest *g = guest_new(&e->host, spec, image, t);
	struct guest_call *c = malloc(sizeof *c);
	struct cassin_trace *trace = NULL;
	if (!g || !c || (how->freeze && !(g->freezing = calloc(1, sizeof *g->freezing)))) {
		free(c);
		if (g)
			guest_put(g);
		return cassin_error_set(err, -ENOMEM, "%s: no memory", spec->name);
	}
	r = files_read(&g->files, &g->spec, &e->files, err);
	if (!g->spec.nfiles && t)
		g->files = files_get(t->files);
	if (!r && how->traced)
		r = engine_trace_new(e, g, &trace, err);
	if (!r)
		r = admit(e, g, err);
	if (!r) {
		r = acquire_parts(e, g, err);
		if (r)
			dismiss(e, g);
	}
	if (!r) {
		watch(g, how, trace);
		atomic_fetch_add(&g->refs, 1);
		*out = g;
		launch(e, g, c);
		return 0;
	}
	engine_trace_free(e, g, trace);
	free(c);
	guest_put(g);
	return r;
}

/* What is loaded for it and belongs to nobody yet (its image, its files) is taken as its domain may take. */
int engine_spawn(struct cassin_engine *e, const struct cassin_guest_spec *spec, const struct spawn_how *how,
		 struct guest **out, struct cassin_error_text *err)
{
	struct pool_part *part = pool_part_get(&e->pool, spec->domain ? spec->domain : "default");
	pool_on_behalf(part);
	int r = spawn(e, spec, how, out, err);
	pool_on_behalf(NULL);
	pool_part_put(&e->pool, part);
	return r;
}

int cassin_engine_guest_spawn(struct cassin_engine *e, const struct cassin_guest_spec *spec, uint64_t *id,
			      struct cassin_error_text *err)
{
	struct guest *g;
	int r = engine_spawn(e, spec, &(struct spawn_how){0}, &g, err);
	if (!r) {
		*id = g->id;
		guest_put(g);
	}
	return r;
}

/* ---- Calls that wait for the owner ---- */

struct control_call {
	struct owner_call wait;
	int fd;
	uint16_t port;
	const char *greeting;
	bool forget;
	struct cassin_trace *trace; /* that nobody will read */
	struct cassin_error_text error;
};

/* Ends the wait for the next incarnation, if there is one. Only the owner's thread ends it, so the state does not change while ports
 * are closed without the lock. */
static void end_wait(struct guest *g)
{
	struct cassin_engine *e = engine_of(g);
	pthread_mutex_lock(&e->lock);
	bool waiting = g->record.state == CASSIN_GUEST_WAITING;
	pthread_mutex_unlock(&e->lock);
	if (!waiting)
		return;
	guest_ports_refuse(g);
	pthread_mutex_lock(&e->lock);
	g->record.state = CASSIN_GUEST_KILLED;
	engine_changed_locked(e, g);
	pthread_mutex_unlock(&e->lock);
}

/* Ends the incarnation, or the wait for the next one; passage_then() says when that is over. On the owner's thread. */
static void end_now(struct guest *g)
{
	struct worker *w = guest_worker(g);
	switch (g->run) {
	case RUN_NONE:
		deadlines_clear(&w->deadlines, &g->timer);
		g->timer_on = false;
		guest_restart_give_up(g);
		end_wait(g);
		return;
	case RUN_RUNNABLE:
		worker_dequeue(w, g);
		break;
	case RUN_BLOCKED:
	case RUN_STOPPED:
	case RUN_ON_CPU:
	case RUN_PASSAGE: /* no call finds it so */
	case RUN_MOVING:
		break;
	}
	guest_end(g, END_KILL, 0);
}

static void on_killed(struct guest *g, struct guest_call *c)
{
	struct control_call *w = (struct control_call *)c;
	if (w->forget) {
		atomic_fetch_sub(&guest_worker(g)->guests, 1);
		w->trace = engine_trace_detach(g);
	}
	owner_answer(&w->wait, 0);
}

static void on_kill(struct guest *g, struct guest_call *c)
{
	end_now(g);
	passage_then(g, c, on_killed);
}

static int ask_by_id(struct cassin_engine *e, uint64_t id, void (*fn)(struct guest *g, struct guest_call *c))
{
	struct guest *g = engine_guest_get(e, id);
	if (!g)
		return -ENOENT;
	struct control_call w = {.fd = -1};
	int r = call_owner(e, g, &w.wait, fn);
	guest_put(g);
	return r;
}

int cassin_engine_guest_kill(struct cassin_engine *e, uint64_t id)
{
	return ask_by_id(e, id, on_kill);
}

int engine_remove(struct cassin_engine *e, uint64_t id, uint64_t patience_ns)
{
	pthread_mutex_lock(&e->lock);
	struct guest *g = registry_id(&e->registry, id);
	if (!g || g->record.removed || !guest_worker(g)) {
		pthread_mutex_unlock(&e->lock);
		return -ENOENT;
	}
	g->record.removed = true;
	atomic_fetch_add(&g->refs, 1);
	pthread_mutex_unlock(&e->lock);

	struct control_call w = {.fd = -1, .forget = true};
	call_owner(e, g, &w.wait, on_kill);
	engine_trace_free(e, g, w.trace);
	guest_ports_close(g);
	guest_ports_await(g, patience_ns); /* before its name is free */
	pthread_mutex_lock(&e->lock);
	registry_remove(&e->registry, g);
	engine_changed_locked(e, g);
	pthread_mutex_unlock(&e->lock);
	engine_cell_leave(e, g->cell);
	engine_uncommit(e, g->committed);
	guest_put(g);
	guest_put(g);
	return 0;
}

int cassin_engine_guest_remove(struct cassin_engine *e, uint64_t id)
{
	return engine_remove(e, id, REMOVE_PATIENCE_NS);
}

static bool was_removed(struct guest *g)
{
	pthread_mutex_lock(&engine_of(g)->lock);
	bool removed = g->record.removed;
	pthread_mutex_unlock(&engine_of(g)->lock);
	return removed;
}

static void on_restarted(struct guest *g, struct guest_call *c)
{
	g->restart.err = NULL; /* the caller's again */
	owner_answer((struct owner_call *)c, guest_restarted(g));
}

/* Removed meanwhile, it must not come to life again. */
static void on_ended_for_restart(struct guest *g, struct guest_call *c)
{
	struct control_call *w = (struct control_call *)c;
	if (was_removed(g)) {
		owner_answer(&w->wait, -ENOENT);
		return;
	}
	g->restart.row = 0;
	guest_restart(g, &w->error);
	guest_restart_then(g, c, on_restarted);
}

static void on_restart(struct guest *g, struct guest_call *c)
{
	if (was_removed(g)) {
		owner_answer((struct owner_call *)c, -ENOENT);
		return;
	}
	end_now(g);
	passage_then(g, c, on_ended_for_restart);
}

int cassin_engine_guest_restart(struct cassin_engine *e, uint64_t id, struct cassin_error_text *err)
{
	struct guest *g = engine_guest_get(e, id);
	if (!g)
		return cassin_error_set(err, -ENOENT, "no such guest");
	struct control_call w = {.fd = -1};
	int r = call_owner(e, g, &w.wait, on_restart);
	if (r)
		cassin_error_set(err, r, "%s", w.error.text[0] ? w.error.text : "no such guest");
	guest_put(g);
	return r;
}

static void on_park(struct guest *g, struct guest_call *c)
{
	owner_answer((struct owner_call *)c, guest_park(g));
}

int cassin_engine_guest_park(struct cassin_engine *e, uint64_t id)
{
	return ask_by_id(e, id, on_park);
}

/* ---- Stop ---- */

struct stop_call {
	struct guest_call call;
	uint64_t grace_ns;
};

static void grace_over(struct deadline *d)
{
	struct guest *g = CONTAINER_OF(d, struct guest, timer);
	g->timer_on = false;
	end_now(g);
}

static void on_stop(struct guest *g, struct guest_call *c)
{
	uint64_t grace = ((struct stop_call *)c)->grace_ns;
	free(c);
	if (g->run == RUN_NONE) {
		end_now(g);
		return;
	}
	g->stopping = true;
	console_feed(&g->console, NULL, 0);
	console_serve(g);
	devices_stop(g);
	upcall_raise(g, CASSIN_EVENT_STOP);
	g->timer.fire = grace_over;
	g->timer_on = true;
	worker_deadline(guest_worker(g), &g->timer, monotonic_ns() + grace);
}

int cassin_engine_guest_stop(struct cassin_engine *e, uint64_t id, uint64_t grace_ns)
{
	struct guest *g = engine_guest_get(e, id);
	struct stop_call *c = malloc(sizeof *c);
	int r = !g ? -ENOENT : !c ? -ENOMEM : 0;
	if (r || !guest_worker(g)) {
		free(c);
	} else {
		c->grace_ns = grace_ns;
		guest_post(g, &c->call, on_stop);
	}
	if (g)
		guest_put(g);
	return r;
}

/* ---- Input and connections ---- */

static void on_input(struct guest *g, struct guest_call *c)
{
	free(c);
	console_serve(g);
}

long cassin_engine_guest_input(struct cassin_engine *e, uint64_t id, const char *buf, size_t len)
{
	struct guest *g = engine_guest_get(e, id);
	if (!g)
		return -ENOENT;
	struct guest_call *c = malloc(sizeof *c);
	long n = c ? console_feed(&g->console, buf, len) : -ENOMEM;
	if (n >= 0 && guest_worker(g))
		guest_post(g, c, on_input);
	else
		free(c);
	guest_put(g);
	return n;
}

static void on_connect(struct guest *g, struct guest_call *c)
{
	struct control_call *w = (struct control_call *)c;
	int r;
	if (g->run == RUN_NONE)
		r = g->timer_on ? -EAGAIN : -ECONNREFUSED; /* another incarnation is to come, or not */
	else
		r = streams_adopt(g, w->port, w->fd, w->greeting);
	owner_answer(&w->wait, r);
}

int cassin_engine_guest_offer(struct cassin_engine *e, uint64_t id, uint16_t port, int fd, const char *greeting)
{
	struct guest *g = engine_guest_get(e, id);
	if (!g)
		return -ENOENT;
	struct control_call w = {.fd = fd, .port = port, .greeting = greeting};
	int r = call_owner(e, g, &w.wait, on_connect);
	guest_put(g);
	return r;
}

int cassin_engine_guest_connect(struct cassin_engine *e, uint64_t id, uint16_t port, int fd)
{
	uint64_t end = monotonic_ns() + CONNECT_PATIENCE_NS;
	int r = cassin_engine_guest_offer(e, id, port, fd, NULL);
	while (r == -EAGAIN && monotonic_ns() <= end) {
		usleep(CONNECT_RETRY_US);
		r = cassin_engine_guest_offer(e, id, port, fd, NULL);
	}
	if (r)
		close(fd);
	return r == -EAGAIN ? -ECONNREFUSED : r;
}
