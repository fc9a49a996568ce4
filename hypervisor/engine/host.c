/* SPDX-License-Identifier: MIT */
/* What guests need of their engine: the public state that changes as they begin and end. */
#include <stdlib.h>
#include <sys/resource.h>

#include "base/container.h"
#include "engine/engine_private.h"
#include "guest/descriptors.h"

static struct guest *by_name(struct guest_host *h, const char *domain, const char *name)
{
	struct cassin_engine *e = CONTAINER_OF(h, struct cassin_engine, host);
	return engine_guest_by_name(e, domain, name);
}

static void on_ready(struct guest *g)
{
	struct cassin_engine *e = engine_of(g);
	pthread_mutex_lock(&e->lock);
	if (!g->record.ready) {
		g->record.ready = true;
		engine_changed_locked(e, g);
	}
	pthread_mutex_unlock(&e->lock);
}

static enum cassin_guest_state state_after(const struct guest_ending *how)
{
	if (how->again)
		return CASSIN_GUEST_WAITING;
	return how->kind == END_EXIT    ? CASSIN_GUEST_EXITED
	       : how->kind == END_CRASH ? CASSIN_GUEST_CRASHED
					: CASSIN_GUEST_KILLED;
}

static void on_end(struct guest *g, const struct guest_ending *how)
{
	struct cassin_engine *e = engine_of(g);
	pthread_mutex_lock(&e->lock);
	g->record.ready = false;
	g->record.exit_code = how->code;
	g->record.state = state_after(how);
	if (how->report)
		guest_report_set(g, how->report);
	atomic_fetch_add(&e->ends, 1);
	if (how->kind == END_CRASH)
		atomic_fetch_add(&e->crashes, 1);
	engine_changed_locked(e, g);
	pthread_cond_broadcast(&e->ended);
	pthread_mutex_unlock(&e->lock);
}

static void on_restart(struct guest *g)
{
	struct cassin_engine *e = engine_of(g);
	pthread_mutex_lock(&e->lock);
	g->record.restarts++;
	engine_started_locked(e, g);
	atomic_fetch_add(&e->restarts, 1);
	pthread_mutex_unlock(&e->lock);
}

static void on_restart_failure(struct guest *g, const char *why, bool again)
{
	struct cassin_engine *e = engine_of(g);
	pthread_mutex_lock(&e->lock);
	g->record.state = again ? CASSIN_GUEST_WAITING : CASSIN_GUEST_CRASHED;
	char *report;
	int n = asprintf(&report, "the restart failed%s: %s\n", again ? ", and is tried again" : "", why);
	guest_report_set(g, n < 0 ? NULL : report);
	engine_changed_locked(e, g);
	pthread_mutex_unlock(&e->lock);
}

void engine_host(struct cassin_engine *e)
{
	e->host.pool = &e->pool;
	e->host.run_bytes_most = e->backend->run_bytes_most;
	e->host.swap = e->swap.fd >= 0 ? &e->swap : NULL;
	struct rlimit files;
	if (!getrlimit(RLIMIT_NOFILE, &files))
		e->host.descriptors_most = descriptors_for_guests(files.rlim_cur);
	e->host.park_after_ns = e->options.park_after_ns;
	e->host.console = e->options.console;
	e->host.console_opaque = e->options.opaque;
	e->host.by_name = by_name;
	e->host.ready = on_ready;
	e->host.ended = on_end;
	e->host.restarted = on_restart;
	e->host.restart_failed = on_restart_failure;
}
