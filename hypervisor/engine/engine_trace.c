/* SPDX-License-Identifier: MIT */
/* Who traces a guest, from outside. */
#include <errno.h>

#include "engine/engine_account.h"
#include "engine/owner_call.h"
#include "engine/engine_private.h"
#include "guest/trace_records.h"

#define TRACE_PAGES ((TRACE_MEMORY + PAGE_SIZE - 1) / PAGE_SIZE)

/* ---- Its life ---- */

int engine_trace_new(struct cassin_engine *e, struct guest *g, struct cassin_trace **out, struct cassin_error_text *err)
{
	int r = engine_commit(e, TRACE_PAGES, g->spec.name, err);
	if (r)
		return r;
	r = account_charge(&g->account, ACCOUNT_TRACES, TRACE_MEMORY) ? -ENOMEM : 0;
	if (r) {
		engine_uncommit(e, TRACE_PAGES);
		return engine_full(e, g->spec.name, err);
	}
	*out = trace_new();
	if (*out)
		return 0;
	account_uncharge(&g->account, ACCOUNT_TRACES, TRACE_MEMORY);
	engine_uncommit(e, TRACE_PAGES);
	return cassin_error_set(err, -ENOMEM, "%s: no memory for its trace", g->spec.name);
}

void engine_trace_free(struct cassin_engine *e, struct guest *g, struct cassin_trace *t)
{
	if (!t)
		return;
	trace_free(t);
	account_uncharge(&g->account, ACCOUNT_TRACES, TRACE_MEMORY);
	engine_uncommit(e, TRACE_PAGES);
}

void engine_trace_attach(struct guest *g, struct cassin_trace *t)
{
	g->trace = t;
	atomic_store(&g->traced, true);
}

struct cassin_trace *engine_trace_detach(struct guest *g)
{
	struct cassin_trace *t = g->trace;
	if (!t || t->guest)
		return NULL;
	g->trace = NULL;
	atomic_store(&g->traced, false);
	return t;
}

int cassin_engine_trace_spawn(struct cassin_engine *e, const struct cassin_guest_spec *spec, uint64_t *id,
			      struct cassin_trace **out, struct cassin_error_text *err)
{
	struct guest *g;
	int r = engine_spawn(e, spec, &(struct spawn_how){.traced = true, .trace = out}, &g, err);
	if (r)
		return r;
	*id = g->id;
	guest_put(g);
	return 0;
}

/* ---- Who reads it ---- */

struct trace_ask {
	struct owner_call wait;
	struct cassin_trace *trace; /* NULL: the one that waits is wanted, -ENODATA if there is none */
};

static void on_start(struct guest *g, struct guest_call *call)
{
	struct trace_ask *c = (struct trace_ask *)call;
	int r = 0;
	if (g->trace && g->trace->guest) {
		r = -EBUSY;
	} else if (g->trace) {
		c->trace = g->trace; /* which was there at the first question */
	} else if (c->trace) {
		engine_trace_attach(g, c->trace);
		if (g->run == RUN_BLOCKED)
			trace_call(g, CASSIN_CALL_ENTER);
	} else {
		r = -ENODATA;
	}
	if (!r)
		c->trace->guest = g;
	owner_answer(&c->wait, r);
}

int cassin_engine_trace_start(struct cassin_engine *e, uint64_t id, struct cassin_trace **out)
{
	struct guest *g = engine_guest_get(e, id);
	struct cassin_error_text err;
	if (!g)
		return -ENOENT;
	struct trace_ask c = {.trace = NULL};
	int r = call_owner(e, g, &c.wait, on_start);
	if (r == -ENODATA) {
		r = engine_trace_new(e, g, &c.trace, &err);
		if (!r)
			r = call_owner(e, g, &c.wait, on_start);
		if (r)
			engine_trace_free(e, g, c.trace);
	}
	if (r)
		guest_put(g);
	else
		*out = c.trace; /* and g's reference with it */
	return r;
}

size_t cassin_engine_trace_read(struct cassin_trace *t, struct cassin_trace_record *out, size_t most, uint64_t *lost)
{
	return trace_take(t, out, most, lost);
}

static void on_stop(struct guest *g, struct guest_call *call)
{
	struct trace_ask *c = (struct trace_ask *)call;
	g->trace = NULL;
	atomic_store(&g->traced, false);
	owner_answer(&c->wait, 0);
}

void cassin_engine_trace_stop(struct cassin_trace *t)
{
	struct trace_ask c = {.trace = t};
	struct guest *g = t->guest;
	call_owner(engine_of(g), g, &c.wait, on_stop);
	engine_trace_free(engine_of(g), g, t);
	guest_put(g);
}
