/* SPDX-License-Identifier: MIT */
#include "engine/engine_private.h"
#include "engine/engine_account.h"
#include "run/dispatch.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "base/host_memory.h"
#include "base/time.h"
#include "cell/reach.h"
#include "guest/guest.h"
#include "guest/template.h"

#define SPARED_SHARE 16u                     /* one page of the pool for each so many is for domains that have little */
#define MEMORY_WAIT_NS UINT64_C(10000000000) /* that guests wait for memory */
#define RECLAIM_EVERY_NS UINT64_C(50000000)  /* whoever has more cells flushed for a full pool waits */
#define PATHS_PATIENCE_NS UINT64_C(5000000000) /* with what is at paths, at the end */
#define SWAPPERS_MOST 16u                      /* threads for the swap file, */
#define SWAPPERS_OF_A_DOMAIN 8u                /* and of these for one domain's guests */
#define SWAP_DEFAULT (UINT64_C(16) << 30)

static unsigned default_workers(void)
{
	cpu_set_t set;
	int n = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
	return n < 1 ? 1 : (unsigned)n;
}

static int check_pool(const struct cassin_engine *e, struct cassin_error_text *err)
{
	if (e->options.pool_bytes <= CELL_BYTES_MOST)
		return 0;
	return cassin_error_set(err, -E2BIG, "a pool of %.1f GiB is too large: a cell reaches %llu GiB",
				(double)e->options.pool_bytes / (1 << 30), (unsigned long long)(CELL_BYTES_MOST >> 30));
}

static void set_up(struct cassin_engine *e, const struct cassin_engine_options *options)
{
	devices_register();
	if (options)
		e->options = *options;
	e->swap.fd = -1;
	e->pool.reclaim = engine_reclaim;
	e->pool.serve = guest_want_serve;
	e->pool.patience = e->options.memory_wait_ns ? e->options.memory_wait_ns : MEMORY_WAIT_NS;
	e->pool.opaque = e;
	e->reclaims.every = RECLAIM_EVERY_NS;
	e->pool.limit = cell_pool(e->options.pool_bytes, host_memory()) / PAGE_SIZE;
	if (!e->options.no_overcommit) /* else all who are admitted get their most */
		e->pool.spared = e->pool.limit / SPARED_SHARE;
	account_init(&e->account, &e->pool, UINT64_MAX);
	e->started = monotonic_ns();
	e->changed_end = &e->changed;
	pthread_mutex_init(&e->lock, NULL);
	pthread_mutex_init(&e->cells_lock, NULL);
	pthread_mutex_init(&e->making, NULL);
	image_cache_init(&e->images, &e->account);
	blob_store_init(&e->files, &e->account);
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&e->ended, &monotonic);
	pthread_condattr_destroy(&monotonic);
}

static unsigned workers_wanted(const struct cassin_engine *e)
{
	unsigned n = e->options.workers ? e->options.workers : default_workers();
	return n < WORKERS_MAX ? n : WORKERS_MAX;
}

/* A worker has a thread, a timer that sends a signal, and a few descriptors. */
static const char *limit_of(int error)
{
	return error == -EAGAIN   ? ": see the limits of processes (ulimit -u), pending signals (ulimit -i), mappings "
				    "(vm.max_map_count)"
	       : error == -EMFILE ? ": see the limit of descriptors (ulimit -n)"
				  : "";
}

static int start_workers(struct cassin_engine *e, struct cassin_error_text *err)
{
	e->workers.turn = worker_turn;
	e->workers.sandbox = e->options.sandbox;
	e->workers.role = e->backend->ops->traces ? CASSIN_SANDBOX_TRACER : CASSIN_SANDBOX_WORKER;
	unsigned n = workers_wanted(e);
	struct paths_how paths = {.sandbox = e->options.sandbox,
				  .role = CASSIN_SANDBOX_CONTROL,
				  .threads = PATHS_THREADS_MOST,
				  .of_a_group = PATHS_OF_A_DOMAIN};
	struct paths_how swappers = {.sandbox = e->options.sandbox,
				     .role = CASSIN_SANDBOX_SWAPPER,
				     .threads = SWAPPERS_MOST,
				     .of_a_group = SWAPPERS_OF_A_DOMAIN};
	int r = paths_start(&e->host.paths, &paths);
	if (!r && e->host.swap)
		r = paths_start(&e->host.swappers, &swappers);
	if (!r)
		r = engine_attend(e, n);
	if (!r)
		r = workers_start(&e->workers, n, engine_tick, e);
	return r ? cassin_error_set(err, r, "cannot start the workers: %s%s", strerror(-r), limit_of(r)) : 0;
}

int cassin_engine_create(struct cassin_engine **out, const struct cassin_engine_options *options,
			 struct cassin_error_text *err)
{
	struct cassin_engine *e = calloc(1, sizeof *e);
	if (!e)
		return cassin_error_set(err, -ENOMEM, "no memory");
	set_up(e, options);
	int r = check_pool(e, err);
	if (!r)
		r = registry_init(&e->registry);
	if (!r)
		r = engine_open_backend(e, err);
	if (!r && e->options.swap_path)
		r = swap_open(&e->swap, e->options.swap_path,
			      e->options.swap_bytes ? e->options.swap_bytes : SWAP_DEFAULT, err);
	if (!r) {
		clock_init(&e->clock, e->backend->tsc_direct && clock_tsc_invariant());
		engine_host(e);
		r = start_workers(e, err);
	}
	if (r) {
		cassin_engine_destroy(e);
		return r;
	}
	*out = e;
	return 0;
}

void cassin_engine_destroy(struct cassin_engine *e)
{
	uint64_t *ids = NULL;
	int n = e->registry.by_id ? cassin_engine_guest_list(e, &ids) : 0;
	for (int i = 0; i < n; i++)
		engine_remove(e, ids[i], 0);
	free(ids);
	bool at_rest = paths_stop(e->host.paths, PATHS_PATIENCE_NS);
	bool swapped = paths_stop(e->host.swappers, PATHS_PATIENCE_NS);
	workers_stop(&e->workers);
	while (cassin_engine_changed_next(e)) {
	}
	if (!swapped)
		swap_remove(&e->swap);
	if (!at_rest || !swapped)
		return; /* threads that hang have the rest, should they ever go on */
	swap_close(&e->swap);
	engine_cells_destroy(e);
	templates_drop(e);
	image_cache_destroy(&e->images);
	blob_store_destroy(&e->files);
	backend_close(e->backend);
	registry_destroy(&e->registry);
	pthread_cond_destroy(&e->ended);
	pthread_mutex_destroy(&e->making);
	pthread_mutex_destroy(&e->cells_lock);
	pthread_mutex_destroy(&e->lock);
	free(e->attention);
	free(e);
}

/* ---- Changes ---- */

void engine_changed_locked(struct cassin_engine *e, struct guest *g)
{
	if (!g->record.listed_as_changed && !g->freezing) {
		g->record.listed_as_changed = true;
		atomic_fetch_add(&g->refs, 1);
		g->links.changed_next = NULL;
		*e->changed_end = g;
		e->changed_end = &g->links.changed_next;
	}
	if (!e->notified && e->options.notify) {
		e->notified = true;
		e->options.notify(e->options.opaque);
	}
}

uint64_t cassin_engine_changed_next(struct cassin_engine *e)
{
	pthread_mutex_lock(&e->lock);
	struct guest *g = e->changed;
	uint64_t id = g ? g->id : 0;
	if (g) {
		e->changed = g->links.changed_next;
		if (!e->changed)
			e->changed_end = &e->changed;
		g->record.listed_as_changed = false;
	} else {
		e->notified = false;
	}
	pthread_mutex_unlock(&e->lock);
	if (g)
		guest_put(g);
	return id;
}

void engine_started_locked(struct cassin_engine *e, struct guest *g)
{
	g->record.started_real = realtime_ns();
	g->record.started_mono = monotonic_ns();
	g->record.state = CASSIN_GUEST_RUNNING;
	g->record.ready = g->template; /* a clone has booted already */
	engine_changed_locked(e, g);
}

/* ---- Lookups ---- */

struct guest *engine_guest_get(struct cassin_engine *e, uint64_t id)
{
	pthread_mutex_lock(&e->lock);
	struct guest *g = registry_id(&e->registry, id);
	if (g)
		atomic_fetch_add(&g->refs, 1);
	pthread_mutex_unlock(&e->lock);
	return g;
}

struct guest *engine_guest_by_name(struct cassin_engine *e, const char *domain, const char *name)
{
	pthread_mutex_lock(&e->lock);
	struct guest *g = registry_name(&e->registry, name);
	if (g && domain && strcmp(g->spec.domain, domain) != 0)
		g = NULL;
	if (g)
		atomic_fetch_add(&g->refs, 1);
	pthread_mutex_unlock(&e->lock);
	return g;
}

int cassin_engine_guest_find(struct cassin_engine *e, const char *name, uint64_t *id)
{
	struct guest *g = engine_guest_by_name(e, NULL, name);
	if (!g)
		return -ENOENT;
	*id = g->id;
	guest_put(g);
	return 0;
}

int cassin_engine_guest_list(struct cassin_engine *e, uint64_t **ids)
{
	pthread_mutex_lock(&e->lock);
	int n = 0;
	*ids = calloc(e->registry.count + 1, sizeof **ids);
	for (struct guest *g = e->registry.first; *ids && g; g = g->links.list_next) {
		if (!g->freezing)
			(*ids)[n++] = g->id;
	}
	pthread_mutex_unlock(&e->lock);
	return *ids ? n : -ENOMEM;
}

int cassin_engine_guest_spec(struct cassin_engine *e, uint64_t id, struct cassin_guest_spec *out)
{
	struct guest *g = engine_guest_get(e, id);
	if (!g) {
		cassin_spec_init(out);
		return -ENOENT;
	}
	int r = cassin_spec_copy(out, &g->spec);
	guest_put(g);
	return r;
}

char *cassin_engine_guest_report(struct cassin_engine *e, uint64_t id)
{
	char *report = NULL;
	pthread_mutex_lock(&e->lock);
	struct guest *g = registry_id(&e->registry, id);
	if (g && g->record.report)
		report = strdup(g->record.report);
	pthread_mutex_unlock(&e->lock);
	return report;
}

long cassin_engine_guest_log(struct cassin_engine *e, uint64_t id, uint64_t *offset, char *buf, size_t len,
			     uint64_t *lost)
{
	struct guest *g = engine_guest_get(e, id);
	if (!g)
		return -ENOENT;
	long n = console_read(&g->console, offset, buf, len, lost);
	guest_put(g);
	return n;
}

static uint64_t refusing_ports(const struct guest *g)
{
	return (uint64_t)__builtin_popcountll(atomic_load(&g->refusing));
}

static struct cassin_guest_counters counters_of(const struct guest *g)
{
	const struct guest_atomics *c = &g->count;
	return (struct cassin_guest_counters){
		.exits = atomic_load(&c->exits),
		.hypercalls = atomic_load(&c->hypercalls),
		.faults = atomic_load(&c->faults),
		.dispatches = atomic_load(&c->dispatches),
		.virtual_ns = atomic_load(&c->virtual_ns),
		.work_ns = atomic_load(&c->work_ns),
		.operations = atomic_load(&c->operations),
		.accepted = atomic_load(&c->accepted),
		.bytes_in = atomic_load(&c->bytes_in),
		.bytes_out = atomic_load(&c->bytes_out),
		.frames = atomic_load(&c->frames),
		.table_frames = atomic_load(&c->table_frames),
		.log_lost = console_lost(&g->console),
		.refusing_ports = refusing_ports(g),
	};
}

int cassin_engine_guest_status(struct cassin_engine *e, uint64_t id, struct cassin_guest_status *out)
{
	struct guest *g = engine_guest_get(e, id);
	if (!g)
		return -ENOENT;
	pthread_mutex_lock(&e->lock);
	*out = (struct cassin_guest_status){
		.id = g->id,
		.state = g->record.state,
		.restart = g->spec.restart,
		.ready = g->record.ready,
		.exit_code = g->record.exit_code,
		.restarts = g->record.restarts,
		.parked = atomic_load(&g->parked),
		.needs_memory = atomic_load(&g->needs_memory),
		.debugged = atomic_load(&g->debugged),
		.stopped = atomic_load(&g->stopped),
		.traced = atomic_load(&g->traced),
		.refusing = atomic_load(&g->refusing),
		.cell = atomic_load(&g->cell_number),
		.worker = guest_worker(g) ? guest_worker(g)->number : 0,
		.memory_bytes = g->spec.memory,
		.started_ns = g->record.started_real,
		.uptime_ns = g->record.state == CASSIN_GUEST_RUNNING ? monotonic_ns() - g->record.started_mono : 0,
		.counters = counters_of(g),
	};
	guest_account(g, &out->memory);
	pthread_mutex_unlock(&e->lock);
	strncpy(out->name, g->spec.name, CASSIN_NAME_MAX);
	strncpy(out->domain, g->spec.domain, CASSIN_NAME_MAX);
	guest_put(g);
	return 0;
}

const char *cassin_guest_state_name(enum cassin_guest_state s)
{
	switch (s) {
	case CASSIN_GUEST_STARTING:
		return "starting";
	case CASSIN_GUEST_RUNNING:
		return "running";
	case CASSIN_GUEST_WAITING:
		return "waiting";
	case CASSIN_GUEST_EXITED:
		return "exited";
	case CASSIN_GUEST_CRASHED:
		return "crashed";
	case CASSIN_GUEST_KILLED:
		return "killed";
	}
	return "unknown";
}

void cassin_engine_stats(struct cassin_engine *e, struct cassin_engine_stats *out)
{
	*out = (struct cassin_engine_stats){
		.workers = e->workers.n,
		.pool_frames = e->pool.limit,
		.parked = atomic_load(&e->host.parked),
		.parkings = atomic_load(&e->host.parkings),
		.needing_memory = atomic_load(&e->host.wanting),
		.memory_waits = atomic_load(&e->host.waits),
		.swap_bytes = swap_used(&e->swap),
		.committed_frames = atomic_load(&e->committed),
		.host_frames = atomic_load(&e->pool.host),
		.descriptors = atomic_load(&e->host.descriptors),
		.descriptors_most = e->host.descriptors_most,
		.spawns = atomic_load(&e->spawns),
		.ends = atomic_load(&e->ends),
		.crashes = atomic_load(&e->crashes),
		.restarts = atomic_load(&e->restarts),
		.flushes = atomic_load(&e->flushes_past),
		.uptime_ns = monotonic_ns() - e->started,
	};
	uint64_t used = atomic_load(&e->pool.used);
	out->used_frames = used > out->host_frames ? used - out->host_frames : 0;
	for (unsigned i = 0; i < e->workers.n; i++) {
		struct worker *w = &e->workers.all[i];
		out->exits += atomic_load(&w->exits);
		out->hypercalls += atomic_load(&w->hypercalls);
		out->switches += atomic_load(&w->switches);
		out->preemptions += atomic_load(&w->preemptions);
		out->commits += atomic_load(&w->commits);
		out->moves += atomic_load(&w->moves);
	}
	pthread_mutex_lock(&e->cells_lock);
	for (struct cell *c = e->cells; c; c = c->next) {
		out->cells++;
		out->image_frames += atomic_load(&c->image_frames);
		out->flushes += atomic_load(&c->flushes);
		out->quarantined_frames += frames_quarantined(&c->frames);
	}
	pthread_mutex_unlock(&e->cells_lock);
	pthread_mutex_lock(&e->lock);
	out->guests = e->registry.count;
	for (struct guest *g = e->registry.first; g; g = g->links.list_next) {
		out->running += g->record.state == CASSIN_GUEST_STARTING || g->record.state == CASSIN_GUEST_RUNNING;
		out->refusing_ports += refusing_ports(g);
	}
	pthread_mutex_unlock(&e->lock);
}
