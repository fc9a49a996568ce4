/* SPDX-License-Identifier: MIT */
/* Who traces a guest, from outside. */
#include <errno.h>

#include "engine/ask.h"
#include "engine/engine.h"
#include "guest/trace.h"

struct trace_ask {
	struct waiting_call wait;
	struct cassin_trace *trace;
};

static void on_start(struct guest *g, struct guest_call *call)
{
	struct trace_ask *c = (struct trace_ask *)call;
	if (g->trace) {
		ask_answer(&c->wait, -EBUSY);
		return;
	}
	g->trace = c->trace;
	atomic_store(&g->traced, true);
	if (g->run == RUN_BLOCKED)
		trace_call(g, CASSIN_CALL_ENTER);
	ask_answer(&c->wait, 0);
}

int cassin_engine_trace_start(struct cassin_engine *e, uint64_t id, struct cassin_trace **out)
{
	struct guest *g = engine_guest_get(e, id);
	if (!g)
		return -ENOENT;
	bool charged = !account_charge(&g->account, ACCOUNT_TRACES, TRACE_MEMORY);
	struct trace_ask c = {.trace = charged ? trace_new() : NULL};
	int r = c.trace ? ask(e, g, &c.wait, on_start) : -ENOMEM;
	if (!r) {
		c.trace->guest = g;
		*out = c.trace;
		return 0;
	}
	if (c.trace)
		trace_free(c.trace);
	if (charged)
		account_uncharge(&g->account, ACCOUNT_TRACES, TRACE_MEMORY);
	guest_put(g);
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
	ask_answer(&c->wait, 0);
}

void cassin_engine_trace_stop(struct cassin_trace *t)
{
	struct trace_ask c = {.trace = t};
	struct guest *g = t->guest;
	ask(engine_of(g), g, &c.wait, on_stop);
	trace_free(t);
	account_uncharge(&g->account, ACCOUNT_TRACES, TRACE_MEMORY);
	guest_put(g);
}
